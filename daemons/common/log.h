/* SPDX-License-Identifier: Apache-2.0 */
/* Logs: logfmt or JSON on stderr, one line each; "<N>" priorities when stderr is the journal. */
#ifndef BG_COMMON_LOG_H
#define BG_COMMON_LOG_H

#include <stdbool.h>

enum bg_level { BG_ERROR, BG_WARN, BG_NOTICE, BG_INFO, BG_DEBUG };

/* `format` is "logfmt" or "json". Safe to call again (reload). */
void bg_log_init(const char *daemon, const char *format, enum bg_level level);
enum bg_level bg_log_level_parse(const char *name); /* error warn notice info debug */
/* Context that every later line carries: `switch= color= instance= epoch=`. value NULL removes it. */
void bg_log_ctx(const char *key, const char *value);
/* ev: a short snake_case event word; then the message for people. Thread-safe. Values are escaped. */
void bg_log(enum bg_level level, const char *ev, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As bg_log with explicit "switch", for daemons that serve many. */
void bg_log_sw(enum bg_level level, const char *sw, const char *ev, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* What cannot go on ends: says "cannot WHAT" with errno's text and exits with status 70. No core: it is no bug of ours. */
_Noreturn void bg_fatal(const char *what);

#endif
