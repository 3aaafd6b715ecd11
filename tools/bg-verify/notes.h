/* SPDX-License-Identifier: Apache-2.0 */
/* What the prover has to say besides its counts: errors spoil the verdict, warnings do not. */
#ifndef BG_VERIFY_NOTES_H
#define BG_VERIFY_NOTES_H

#include <stddef.h>
#include <stdint.h>

#define VF_NOTES_KEPT 20 /* of each kind; the rest is only counted */

struct vf_note_list {
	char *v[VF_NOTES_KEPT];
	int64_t n;
};
struct vf_notes {
	struct vf_note_list errors, warnings;
};

void vf_error(struct vf_notes *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vf_warn(struct vf_notes *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vf_notes_free(struct vf_notes *n);

#endif
