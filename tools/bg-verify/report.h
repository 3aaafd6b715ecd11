/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BG_VERIFY_REPORT_H
#define BG_VERIFY_REPORT_H

#include <stdio.h>
#include "bg-verify/judge.h"

struct vf_report {
	const struct vf_judge *j;
	const struct vf_sources *sources;
	size_t n_ledgers;
	int status;
};

void vf_report_text(const struct vf_report *r, FILE *out);
void vf_report_json(const struct vf_report *r, FILE *out); /* one object, one line */

#endif
