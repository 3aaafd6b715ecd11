/* SPDX-License-Identifier: Apache-2.0 */
/* Records that nobody processed. */
#ifndef BG_VERIFY_TOPIC_JUDGE_H
#define BG_VERIFY_TOPIC_JUDGE_H

#include "bg-verify/judge.h"

/* Offsets first..first+count-1 are lost; run and seq are the number of the first one, seq -1: it has none. */
void vf_lose(struct vf_judge *j, uint32_t part, int64_t first, int64_t count, enum vf_why why, uint32_t run,
	     int64_t seq);

#endif
