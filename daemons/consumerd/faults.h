/* SPDX-License-Identifier: Apache-2.0 */
/* Faults for tests, only with `[faults] enabled = yes`: delay, error rate, hang; between dispatch and handler. */
#ifndef BG_CONSUMERD_FAULTS_H
#define BG_CONSUMERD_FAULTS_H

#include "consumerd/con.h"

void con_faults_init(struct con *c);
void con_faults_free(struct con *c);
bool con_faults_on(const struct con *c); /* any is set */
void con_faults_give(struct con *c, struct con_rec *r);
void con_faults_set_delay(struct con *c, int64_t delay_us);
void con_faults_set_error_rate(struct con *c, double rate);
void con_faults_set_hang(struct con *c, bool hang); /* false: what hangs is done now */
/* What is held back is no longer: as if its handler had died. The caller ends with con_lost_end. */
void con_faults_give_back(struct con *c);
/* The stop time-out is over: let go of what is held back, undone. Nothing of it is acknowledged. */
void con_faults_abandon(struct con *c);
struct json_object *con_faults_json(const struct con *c); /* for status; NULL: none is set */

#endif
