/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bg-verify/notes.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/mem.h"

__attribute__((format(printf, 2, 0))) static void add(struct vf_note_list *l, const char *fmt, va_list ap)
{
	if (l->n < VF_NOTES_KEPT)
		l->v[l->n] = bg_xvasprintf(fmt, ap);
	l->n++;
}

void vf_error(struct vf_notes *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(&n->errors, fmt, ap);
	va_end(ap);
}

void vf_warn(struct vf_notes *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(&n->warnings, fmt, ap);
	va_end(ap);
}

void vf_notes_free(struct vf_notes *n)
{
	for (size_t i = 0; i < VF_NOTES_KEPT; i++) {
		free(n->errors.v[i]);
		free(n->warnings.v[i]);
	}
	*n = (struct vf_notes){0};
}
