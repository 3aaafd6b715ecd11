/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon refuses, said with the next step, and as an exit status. */
#include "config.h"

#include <string.h>

#include "bgctl/client.h"
#include "bgctl/out.h"
#include "common/json.h"
#include "common/mem.h"

static const struct {
	const char *word;
	int exit;
	const char *next;
} words[] = {
	{"unknown_switch", CTL_USAGE, "`bgctl status` without -s lists the switches there are"},
	{"busy", CTL_NO_GO, "wait for it (`bgctl status`), or `bgctl abort`"},
	{"epoch_changed", CTL_NO_GO,
	 "somebody switched meanwhile: look at `bgctl status`, then decide again"},
	{"held", CTL_NO_GO, "`bgctl release` ends the hold"},
	{"uninitialised", CTL_NO_GO, "`bgctl init` activates the first colour (bgctl init --help)"},
	{"already_initialised", CTL_NO_GO, "use `bgctl switch`"},
	{"already_scheduled", CTL_NO_GO, "`bgctl schedule` shows it"},
	{"nothing_scheduled", CTL_NO_GO, "`bgctl schedule` lists what there is"},
	{"nothing_to_abort", CTL_NO_GO, "no switch is running; `bgctl rollback` goes back after one"},
	{"unknown_snapshot", CTL_USAGE, "`bgctl snapshots` lists those there are"},
	{"overloaded", CTL_UNREACHABLE, "try again in a moment"},
	{"store", CTL_FAILED, "its log says what is wrong with the record of truth or its disk"},
	{"not_leader", CTL_UNREACHABLE, "ask the leader: set BG_SOCKET to its address"},
	{"unauthorized", CTL_DENIED, "give the daemon's token by --token-file or BG_TOKEN_FILE"},
};

/* By status, where the word is unknown. */
static int exit_of_status(int status)
{
	switch (status) {
	case 401:
	case 403:
		return CTL_DENIED;
	case 409:
	case 412:
	case 422:
	case 423:
		return CTL_NO_GO;
	case 502:
	case 503:
	case 504:
		return CTL_UNREACHABLE;
	default:
		return status >= 400 && status < 500 ? CTL_USAGE : CTL_FAILED;
	}
}

static int no_answer(struct ctl *c, const struct ctl_answer *a)
{
	fprintf(c->err, "bgctl: cannot reach bg-switchd at %s: %s\n", c->socket, a->why);
	if (a->denied) {
		fprintf(c->err, "  next: be root or in the socket's group (kafka-bluegreen)\n");
		return CTL_DENIED;
	}
	fprintf(c->err,
		"  next: is it running? else set BG_SOCKET (a path or http://HOST:PORT) or --socket\n");
	return CTL_UNREACHABLE;
}

int ctl_check(struct ctl *c, const struct ctl_answer *a)
{
	const char *word, *msg, *next = NULL, *leader;
	int rc;

	if (a->status == 0)
		return no_answer(c, a);
	if (a->status >= 200 && a->status < 300 && a->json)
		return 0;
	if (a->status >= 200 && a->status < 400) {
		fprintf(c->err, "bgctl: %s answers (HTTP %d), but it is no bg-switchd\n", c->socket,
			a->status);
		return CTL_UNREACHABLE;
	}
	word = bg_json_str(a->json, "error", "");
	msg = bg_json_str(a->json, "message", "");
	rc = exit_of_status(a->status);
	for (size_t i = 0; i < BG_ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, word) == 0) {
			rc = words[i].exit;
			next = words[i].next;
		}
	if (!next && rc == CTL_DENIED)
		next = "give the daemon's token by --token-file or BG_TOKEN_FILE";
	fprintf(c->err, "bgctl: ");
	out_clean(c->err, *msg ? msg : "the daemon refused");
	if (*word)
		fprintf(c->err, " (%.40s)", word);
	else
		fprintf(c->err, " (HTTP %d)", a->status);
	if (strcmp(word, "busy") == 0)
		fprintf(c->err, "\n  running: %.64s", bg_json_str(a->json, "id", "?"));
	leader = bg_json_str(a->json, "leader", NULL);
	if (leader)
		fprintf(c->err, "\n  leader: %.200s", leader);
	if (next)
		fprintf(c->err, "\n  next: %s", next);
	fprintf(c->err, "\n");
	return rc;
}

int ctl_outcome_exit(struct json_object *entry)
{
	static const struct {
		const char *outcome;
		int exit;
	} rows[] = {
		{"done", CTL_DONE},           {"no_go", CTL_NO_GO},        {"dropped", CTL_NO_GO},
		{"aborted", CTL_ABORTED},     {"rolled_back", CTL_FAILED}, {"failed", CTL_FAILED},
		{"needs_person", CTL_PERSON},
	};
	const char *outcome = bg_json_str(entry, "outcome", "");
	int64_t given = bg_json_int(entry, "exit", -1);

	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].outcome, outcome) == 0)
			return rows[i].exit;
	return given >= CTL_DONE && given <= CTL_DENIED ? (int)given : CTL_FAILED;
}
