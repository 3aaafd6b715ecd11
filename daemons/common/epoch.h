/* SPDX-License-Identifier: Apache-2.0 */
/* Commit metadata (protocol rule 3): `bg1;e=E;c=COLOR;f=F[;m=1]`, under 64 bytes. */
#ifndef BG_COMMON_EPOCH_H
#define BG_COMMON_EPOCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BG_META_MAX 64

struct bg_meta {
	int64_t epoch; /* e */
	int64_t floor; /* f; never below e when written */
	bool mirrored; /* m=1 */
	char color[16];
};

/* Writes the text into buf (BG_META_MAX). Returns its length. color of at most 15 bytes, no ';'. */
int bg_meta_format(char buf[BG_META_MAX], const struct bg_meta *m);
/* text need not be terminated (len), may be NULL. Foreign metadata, or a damaged one, gives all zero. True when it was ours. */
bool bg_meta_parse(const char *text, size_t len, struct bg_meta *ret);

#endif
