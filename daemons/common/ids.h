/* SPDX-License-Identifier: Apache-2.0 */
/* Names: instances are COLOR-ORDINAL; colours are blue and green. */
#ifndef BG_COMMON_IDS_H
#define BG_COMMON_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bg_color { BG_BLUE, BG_GREEN };
static inline const char *bg_color_name(enum bg_color c)
{
	return c == BG_BLUE ? "blue" : "green";
}
static inline enum bg_color bg_color_other(enum bg_color c)
{
	return c == BG_BLUE ? BG_GREEN : BG_BLUE;
}
bool bg_color_parse(const char *s, enum bg_color *ret);
/* The number at the end of a name ("blue-0", "host12"); -1: none. */
int bg_ordinal_of(const char *name);
/* Names of switches, instances, colours: 1..63 of [a-z0-9._-], first a letter or digit. */
bool bg_name_valid(const char *s);
/* n random bytes as hex into buf (2n+1). */
void bg_random_hex(char *buf, size_t nbytes);
uint64_t bg_random_u64(void);
const char *bg_boot_id(void); /* of this machine's boot; "" where unknown */

#endif
