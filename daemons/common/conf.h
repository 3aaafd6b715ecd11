/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI configuration from one declarative table (design 10). inih does the parsing, our line reader counts
 * lines and refuses what inih would bend. Nothing is applied by halves: load gives a whole new bg_conf or
 * the list of errors, each as `file:line: [section] key: what is wrong, what is allowed`.
 */
#ifndef BG_COMMON_CONF_H
#define BG_COMMON_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "common/err.h"
#include "common/mem.h"

enum bg_conf_type {
	BG_CONF_STRING,
	BG_CONF_BOOL,
	BG_CONF_INT,      /* min..max */
	BG_CONF_DURATION, /* microseconds, min..max */
	BG_CONF_SIZE,     /* bytes, min..max */
	BG_CONF_DOUBLE,   /* min..max as whole numbers */
	BG_CONF_ENUM,     /* one of `choices`, "a|b|c" */
	BG_CONF_LIST,     /* repeated key; strings, in order */
	BG_CONF_PASS, /* key "*": any key of this section is passed through, see bg_conf_pass_at. Repeats are
			   * joined by commas: of the keys in `choices` only, where that is set; else of any. */
};

#define BG_CONF_RELOAD   1u /* may change by SIGHUP */
#define BG_CONF_REQUIRED 2u /* must be there (in each named section, when the section has a name) */
#define BG_CONF_SECRET   4u /* never shown */

/*
 * One row. `section` is "http", or "switch:*" for named sections ([switch:orders]); a named section exists
 * when the file has it. `dflt` is text in the same form as in the file, NULL: unset.
 * Every table ends with a row whose section is NULL. BG_CONF_COMMON_ROWS gives the rows all daemons share.
 */
struct bg_conf_key {
	const char *section, *key;
	enum bg_conf_type type;
	const char *dflt;
	int64_t min, max;
	const char *choices;
	unsigned flags;
	const char *help;
};

/* [log] level format, [http] listen token-file host open-read max-connections, [control] socket group — see conf.c.
 * A daemon's table pointer list is {its own, bg_conf_common_table, NULL}: of rows with the same section and key
 * the first counts, so its own row gives another default (http.listen and control.socket are "none" here). */
extern const struct bg_conf_key bg_conf_common_table[];

/* `choices` of the row {"kafka", "*", BG_CONF_PASS, …}: librdkafka's properties that are lists. */
#define BG_CONF_KAFKA_LISTS                                                                                  \
	"bootstrap.servers|metadata.broker.list|debug|topic.blacklist|partition.assignment.strategy|"        \
	"ssl.cipher.suites|ssl.curves.list|ssl.sigalgs.list"

struct bg_conf;

/*
 * Load `path` against `tables` (NULL-terminated list). `instance` (may be NULL) selects the
 * [instance:NAME] section whose keys override any other (written `key` when unambiguous, else
 * `section.key`, of a named section `switch.NAME.key`). `%i` in a value, but in pass-through sections, is the
 * instance's name, `%%` a percent sign; in a default without instance it goes with the one of "-/." before it
 * ("consumerd-%i.sock"). A value `file:/path` is replaced by the first line of that file.
 * Returns 0 and *ret, or a negative errno with every error, one a line, in *errs (at most 20 lines).
 */
int bg_conf_load(const char *path, const struct bg_conf_key *const *tables, const char *instance,
		 struct bg_conf **ret, struct bg_buf *errs);
/* The same from memory, `name` for messages (tests, fuzzing). */
int bg_conf_load_mem(const char *name, const char *text, size_t len, const struct bg_conf_key *const *tables,
		     const char *instance, struct bg_conf **ret, struct bg_buf *errs);
void bg_conf_free(struct bg_conf *conf);

/* Values. Asking for a key that the table lacks, or with the wrong type, is a bug and aborts. */
const char *bg_conf_str(const struct bg_conf *c, const char *section,
			const char *key); /* STRING, ENUM; NULL: unset */
bool bg_conf_bool(const struct bg_conf *c, const char *section, const char *key);
int64_t bg_conf_int(const struct bg_conf *c, const char *section, const char *key); /* INT, DURATION, SIZE */
double bg_conf_double(const struct bg_conf *c, const char *section, const char *key);
size_t bg_conf_list_len(const struct bg_conf *c, const char *section, const char *key);
const char *bg_conf_list_at(const struct bg_conf *c, const char *section, const char *key, size_t i);
bool bg_conf_is_set(const struct bg_conf *c, const char *section,
		    const char *key); /* in the file, not by default */
/* The names N of sections "PREFIX:N", in order of the file: bg_conf_name_at(c, "switch", i), NULL at the end. */
const char *bg_conf_name_at(const struct bg_conf *c, const char *prefix, size_t i);
/* Pairs of a pass-through section in order; repeats of a key already joined by commas. NULL at the end. */
const char *bg_conf_pass_at(const struct bg_conf *c, const char *section, size_t i, const char **ret_value,
			    int *ret_line);
/* "file:line: [section] key" of a value, for the daemon's own checks; "file: [section] key" when defaulted. */
const char *bg_conf_where(const struct bg_conf *c, const char *section, const char *key);
/* The same of the i-th value of a list. */
const char *bg_conf_where_at(const struct bg_conf *c, const char *section, const char *key, size_t i);

/* Effective configuration as INI, secrets as `(secret)`. */
void bg_conf_dump(const struct bg_conf *c, FILE *out);
/* The table as reference text (used by --help-config and the man page test): "section\tkey\ttype\tdefault\trange\treloadable\thelp". */
void bg_conf_describe(const struct bg_conf_key *const *tables, FILE *out);
/* Calls fn for each key whose value differs; `reloadable` from the table. */
void bg_conf_diff(const struct bg_conf *old, const struct bg_conf *new,
		  void (*fn)(void *arg, const char *section, const char *key, bool reloadable), void *arg);

/* The nearest of names[], NULL when none is near enough to be a misspelling. */
const char *conf_nearest(const char *name, const char *const *names, size_t n);

#endif
