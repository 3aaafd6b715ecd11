/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Automatic rollback in the soak window (W-6). While a switch soaks, the statuses of the new colour are judged
 * (soak_judge.h). When it is not well, the preflight is asked whether a rollback could be carried out, and a
 * no-go changes nothing: it is said, and asked again with back-off as long as the soak lasts. A go begins an
 * ordinary rollback, by bg-switchd.
 *
 * Only the soak of a switch is judged: not that of a rollback (so an automatic one is never followed by another, and
 * nobody is sent to and fro), nor of a first activation (there is nothing to go back to), nor of a re-assertion or an
 * adoption (what the record says of the other colour may be old). One that was begun and undone is not repeated by
 * itself: it has paused the colour for nothing. Then it is only watched, and DEGRADED until the colour is well.
 *
 * After a restart the record says what is soaking, how long, and how the old colour was doing; samples and times
 * begin anew.
 */
#ifndef SW_SOAK_BACK_H
#define SW_SOAK_BACK_H

#include "switchd/run.h"

struct sw_soak;

void sw_soak_note(struct sw_run *r);      /* an intent is made: what its record says for the soak */
void sw_soak_begin(struct sw_switch *sw); /* SOAKING, anew or again */
void sw_soak_moved(struct sw_switch *sw, enum sw_state old, enum sw_state next);
void sw_soak_refused(struct sw_switch *sw,
		     const struct bg_err *why); /* an automatic rollback changed nothing */
void sw_soak_undone(struct sw_switch *sw,
		    const struct bg_err *why); /* an automatic rollback was begun and undone */
void sw_soak_stop(struct sw_switch *sw);
void sw_soak_free(struct sw_switch *sw);

/* A preflight is under way: the soak does not end before it is over. */
bool sw_soak_asks(const struct sw_switch *sw);
/* How old the numbers of an instance may be. */
int64_t sw_soak_fresh_us(const struct sw_inst *i);
const char *sw_soak_trouble(const struct sw_switch *sw); /* "": none */
/* "judged", "rule", "sees" of the view's soak object. */
void sw_soak_add(const struct sw_switch *sw, struct json_object *soak);

#endif
