/* SPDX-License-Identifier: Apache-2.0 */
/* Colours and epochs: two at work at once, effects of a stale epoch, and the gap of each switch. */
#ifndef BG_VERIFY_SWITCHES_H
#define BG_VERIFY_SWITCHES_H

#include "bg-verify/judge.h"

/* A record processed (`record`) or given to a handler. */
void vf_activity(struct vf_judge *j, const struct vf_event *ev, uint32_t part, bool record);
/* A commit was acknowledged: is it one of an epoch that the other colour has left behind? */
void vf_stale_commit(struct vf_judge *j, const struct vf_event *ev, uint32_t inc);
/* At the end: the list of switches, gaps, dual-active time, missing ledgers. */
void vf_switches_finish(struct vf_judge *j);

#endif
