/* SPDX-License-Identifier: Apache-2.0 */
/* Reads topics from the log's start to the end that was found first, without a group of its own offsets. */
#ifndef BG_VERIFY_TOPIC_H
#define BG_VERIFY_TOPIC_H

#include "bg-verify/judge.h"
#include "common/err.h"

struct vf_topics;

/* bootstrap: "H:P,…" or "file:PATH" whose first line says it. props: "name=value", n of them. */
int vf_topics_open(const char *bootstrap, char *const *props, size_t n, struct vf_topics **ret,
		   struct bg_err *err);
/* Note partitions, start and end of a topic now; what is appended later is not read. Again: nothing happens. */
int vf_topics_end(struct vf_topics *t, const char *topic, struct bg_err *err);
/* Give it all to the judge. */
int vf_topics_read(struct vf_topics *t, struct vf_judge *j, struct bg_err *err);
void vf_topics_free(struct vf_topics *t);

/* The number that bg-producerd put into headers: "bg-run" of 8 hex digits, "bg-seq" decimal. */
bool vf_number_parse(const char *run, size_t run_len, const char *seq, size_t seq_len, uint32_t *ret_run,
		     int64_t *ret_seq);

#endif
