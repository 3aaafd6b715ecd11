/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch: one table says what each command takes, what it needs, and what it is for. */
#include "config.h"
#include "bgctl/cmd.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bgctl/client.h"
#include "bgctl/when.h"
#include "common/ids.h"
#include "common/mem.h"
#include "common/units.h"

/* Options a command may have, besides those that all have. */
enum {
	O_JSON_ = 1u << 0,
	O_WAIT = 1u << 1,
	O_DRY_RUN = 1u << 2,
	O_FORCE = 1u << 3,
	O_REASON = 1u << 4,
	O_FROM = 1u << 5,
	O_LIMIT = 1u << 6,
	O_EXPECT = 1u << 7,
	O_RESUBSCRIBE = 1u << 8,
	O_SINCE = 1u << 9,
	O_WATCH = 1u << 10,
	O_INTERVAL = 1u << 11,
	O_YES = 1u << 12,
	O_CONFIG_DIR = 1u << 13,
	O_AT = 1u << 14,
	O_IN = 1u << 15,
	O_UNTIL = 1u << 16,
	O_FOR = 1u << 17,
};

static const struct command {
	const char *name;
	int (*fn)(struct ctl *c);
	const char *privilege; /* what the daemon asks for: nothing at all, to read, to operate */
	int min, max;          /* arguments */
	unsigned options;
	const char *args, *summary, *help;
} commands[] = {
	{"init", cmd_init, "operate", 1, 1, O_FROM | O_WAIT | O_REASON | O_EXPECT | O_JSON_,
	 "blue|green --from WHERE", "activate a colour for the first time",
	 "The first activation of a switch, at epoch 1. --from says where it starts:\n"
	 "group:G (what consumer group G has committed), earliest, latest, or committed\n"
	 "(what the colours' own groups have). Nothing is ever started from a guess.\n"},
	{"status", cmd_status, "read", 0, 0, O_WATCH | O_INTERVAL | O_JSON_, "",
	 "the active colour, instances, lag, last switch",
	 "Without -s, and with several switches, lists them. --watch stays and shows it\n"
	 "anew with every event and every second, until SIGINT or q; where the output is\n"
	 "no terminal, one line for every change.\n"},
	{"switch", cmd_switch, "operate", 1, 1,
	 O_AT | O_IN | O_WAIT | O_DRY_RUN | O_FORCE | O_RESUBSCRIBE | O_REASON | O_EXPECT | O_JSON_,
	 "blue|green", "make the colour the active one",
	 "Preflight, pause, hand the offsets over, resume. --dry-run: the preflight only.\n"
	 "--force passes over those no-go rules that may be passed over; it is logged.\n"
	 "--resubscribe (strategy C) lets topics or ordinals differ: the group rebalances,\n"
	 "and partitions stand still; the preflight says for how long.\n"
	 "--at and --in schedule it, one a switch: it begins then by itself, unless the\n"
	 "epoch has moved on; what is a no-go then is not tried again (`bgctl history`).\n"},
	{"rollback", cmd_rollback, "operate", 0, 0,
	 O_WAIT | O_FORCE | O_RESUBSCRIBE | O_REASON | O_EXPECT | O_JSON_, "", "go back to the colour before",
	 "Within the rollback window of the last switch. As fast as a switch.\n"},
	{"abort", cmd_abort, "operate", 0, 0, O_WAIT | O_REASON | O_EXPECT | O_JSON_, "",
	 "end the running switch, back to where it came from", ""},
	{"hold", cmd_hold, "operate", 0, 0, O_REASON | O_EXPECT | O_JSON_, "", "nothing moves until release",
	 "For maintenance: switches are refused until `bgctl release`.\n"},
	{"release", cmd_release, "operate", 0, 0, O_REASON | O_EXPECT | O_JSON_, "", "end a hold", ""},
	{"freeze", cmd_freeze, "operate", 0, 0, O_UNTIL | O_FOR | O_REASON | O_JSON_, "--reason TEXT",
	 "no switch begins for a while",
	 "As in a window of the configuration, a switch is a no-go, which --force passes\n"
	 "over; rollback and abort are never frozen. Without --until or --for: until\n"
	 "`bgctl thaw`. Unlike a hold it is about plans: `bgctl hold` stops everything.\n"},
	{"thaw", cmd_thaw, "operate", 0, 0, O_REASON | O_JSON_, "", "end a freeze",
	 "That of `bgctl freeze`; a window of the configuration goes on.\n"},
	{"schedule", cmd_schedule, "read", 0, 0, O_JSON_, "", "the switches that begin by themselves",
	 "Made by `bgctl switch COLOR --at TIME` or --in TIME.\n"},
	{"unschedule", cmd_unschedule, "operate", 0, 0, O_REASON | O_JSON_, "", "remove the scheduled switch",
	 ""},
	{"preflight", cmd_preflight, "read", 0, 0, O_JSON_, "", "would a switch be go or no-go, rule by rule",
	 "Exit status 0 for go, 3 for no-go. Changes nothing.\n"},
	{"history", cmd_history, "read", 0, 0, O_LIMIT | O_JSON_, "", "the last switches, newest first",
	 "--json has every step, time and offset of each.\n"},
	{"instances", cmd_instances, "read", 0, 0, O_JSON_, "", "every instance, where it is and how it does",
	 ""},
	{"snapshots", cmd_snapshots, "read", 0, 1, O_LIMIT | O_JSON_, "[EPOCH]",
	 "the offsets that were handed over, by epoch",
	 "Without an epoch the list, newest first; with one its offsets.\n"},
	{"restore", cmd_restore, "operate", 1, 1,
	 O_YES | O_WAIT | O_DRY_RUN | O_FORCE | O_REASON | O_EXPECT | O_JSON_, "EPOCH",
	 "process again from the offsets of a snapshot on",
	 "A switch to the colour that is not active, which begins at the snapshot's\n"
	 "offsets: records are given again on purpose, so --yes or --expect-epoch is\n"
	 "needed; --dry-run counts them. Records that retention has removed, or that a\n"
	 "snapshot ahead would skip, are no-go; --force passes over that, within the log.\n"
	 "`bgctl switch` then goes back to the other colour and takes the place along.\n"},
	{"tail", cmd_tail, "read", 0, 0, O_SINCE | O_LIMIT | O_JSON_, "", "what happens, as it happens",
	 "Every change of phase and of an instance, how switches end, holds, troubles; of\n"
	 "all switches, or of the one that -s names. A lost connection is made again, and\n"
	 "what happened meanwhile is shown. --json: one object a line. SIGINT ends it.\n"},
	{"doctor", cmd_doctor, "read", 0, 0, O_CONFIG_DIR | O_JSON_, "",
	 "what is wrong, what it means, what to do",
	 "This host (files, sockets, disk, clock, daemons), every switch or the one\n"
	 "that -s names, and its brokers. Exit status 0: nothing to mend; 1: something is;\n"
	 "4: the daemon cannot be reached (the host is looked at all the same). Changes\n"
	 "nothing.\n"},
	{"version", cmd_version, "none", 0, 0, O_JSON_, "", "the version of bgctl", ""},
};

enum {
	V_SOCKET = 256,
	V_TOKEN_FILE,
	V_JSON,
	V_WAIT,
	V_DRY_RUN,
	V_FORCE,
	V_REASON,
	V_FROM,
	V_LIMIT,
	V_EXPECT,
	V_RESUBSCRIBE,
	V_SINCE,
	V_WATCH,
	V_INTERVAL,
	V_YES,
	V_CONFIG_DIR,
	V_AT,
	V_IN,
	V_UNTIL,
	V_FOR,
};

static const struct option options[] = {
	{"switch", required_argument, NULL, 's'},
	{"socket", required_argument, NULL, V_SOCKET},
	{"token-file", required_argument, NULL, V_TOKEN_FILE},
	{"json", no_argument, NULL, V_JSON},
	{"wait", no_argument, NULL, V_WAIT},
	{"dry-run", no_argument, NULL, V_DRY_RUN},
	{"force", no_argument, NULL, V_FORCE},
	{"resubscribe", no_argument, NULL, V_RESUBSCRIBE},
	{"reason", required_argument, NULL, V_REASON},
	{"from", required_argument, NULL, V_FROM},
	{"limit", required_argument, NULL, V_LIMIT},
	{"expect-epoch", required_argument, NULL, V_EXPECT},
	{"since", required_argument, NULL, V_SINCE},
	{"watch", no_argument, NULL, V_WATCH},
	{"interval", required_argument, NULL, V_INTERVAL},
	{"yes", no_argument, NULL, V_YES},
	{"config-dir", required_argument, NULL, V_CONFIG_DIR},
	{"at", required_argument, NULL, V_AT},
	{"in", required_argument, NULL, V_IN},
	{"until", required_argument, NULL, V_UNTIL},
	{"for", required_argument, NULL, V_FOR},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static const struct {
	unsigned bit;
	int value;
	const char *text;
} option_help[] = {
	{O_AT, V_AT,
	 "  --at TIME           begin then: 02:00 (the next such local time), \"2026-11-25\n"
	 "                      02:00\" (local), or RFC 3339: 2026-11-25T02:00:00Z\n"},
	{O_IN, V_IN, "  --in TIME           begin so much later: 90m, 1 h, 45 s\n"},
	{O_UNTIL, V_UNTIL, "  --until TIME        as --at of a switch: 17:00, 2026-11-25T02:00:00Z\n"},
	{O_FOR, V_FOR, "  --for TIME          so long: 90m, 1 h, 2 d\n"},
	{O_FROM, V_FROM, "  --from WHERE        group:G, earliest, latest or committed\n"},
	{O_WAIT, V_WAIT, "  --wait              follow it to its end; the exit status says how it ended\n"},
	{O_DRY_RUN, V_DRY_RUN, "  --dry-run           only say what the preflight says\n"},
	{O_FORCE, V_FORCE, "  --force             pass over no-go rules that may be passed over\n"},
	{O_RESUBSCRIBE, V_RESUBSCRIBE,
	 "  --resubscribe       topics or ordinals differ: let the group rebalance\n"},
	{O_REASON, V_REASON, "  --reason TEXT       kept in the record and the history\n"},
	{O_EXPECT, V_EXPECT, "  --expect-epoch N    refused when the epoch is another one by now\n"},
	{O_LIMIT, V_LIMIT, "  --limit N           at most so many (1-1000; lists: 20)\n"},
	{O_SINCE, V_SINCE, "  --since ID          first what came after this event (0: all that is kept)\n"},
	{O_WATCH, V_WATCH, "  --watch             stay, and show it anew when it changes\n"},
	{O_INTERVAL, V_INTERVAL, "  --interval TIME     with --watch: at least so often (default 1 s)\n"},
	{O_YES, V_YES, "  --yes               yes: records are to be given again\n"},
	{O_CONFIG_DIR, V_CONFIG_DIR,
	 "  --config-dir DIR    where the INI files are (default:\n"
	 "                      " BG_SYSCONFDIR ")\n"},
	{O_JSON_, V_JSON, "  --json              the daemon's answer as JSON\n"},
};

static const char common_help[] =
	"  -s, --switch NAME   which switch (default: the only one there is)\n"
	"  --socket WHERE      bg-switchd: a Unix socket's path, or http://HOST:PORT\n"
	"                      (default: $BG_SOCKET, else\n"
	"                      " BG_RUNDIR "/switchd.sock)\n"
	"  --token-file FILE   bearer token (default: $BG_TOKEN_FILE)\n";

static const char exit_help[] =
	"\nExit status: 0 done, 1 failed or rolled back, 2 usage, 3 no-go (no change),\n"
	"4 cannot reach the daemon, 5 aborted (the old colour is active again),\n"
	"6 a person is needed, 7 permission denied.\n";

static void help(FILE *f)
{
	fputs("Usage: bgctl [OPTION]... COMMAND [ARGUMENT]...\n"
	      "Commands bg-switchd, which switches Kafka consumers from blue to green and back.\n\n",
	      f);
	for (size_t i = 0; i < BG_ARRAY_SIZE(commands); i++) {
		_cleanup_free_ char *left =
			bg_xasprintf("%s %s", commands[i].name,
				     commands[i].max ? strtok(strdupa(commands[i].args), " ") : "");

		fprintf(f, "  %-20s%s\n", left, commands[i].summary);
	}
	fprintf(f, "\n%s  -h, --help          also: bgctl COMMAND --help\n  -V, --version\n%s", common_help,
		exit_help);
}

static void command_help(FILE *f, const struct command *cmd)
{
	fprintf(f, "Usage: bgctl %s%s%s [OPTION]...\n%c%s.\n%s%sNeeds: %s\n\n", cmd->name,
		cmd->args[0] ? " " : "", cmd->args, cmd->summary[0] & ~0x20, cmd->summary + 1, cmd->help,
		cmd->help[0] ? "\n" : "",
		strcmp(cmd->privilege, "none") == 0 ? "nothing, not even the daemon"
		: strcmp(cmd->privilege, "read") == 0
			? "to read: the Unix socket, the loopback address, or the token"
			: "to operate: the Unix socket's group, the loopback address, or the token");
	for (size_t i = 0; i < BG_ARRAY_SIZE(option_help); i++)
		if (cmd->options & option_help[i].bit)
			fputs(option_help[i].text, f);
	fputs(common_help, f);
	if (strcmp(cmd->privilege, "none") != 0)
		fputs(exit_help, f);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static bool parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	return bg_parse_int(s, ret, NULL) == 0 && *ret >= min && *ret <= max;
}

/* What an option takes, for who gave something else. */
static const char *wants(int opt)
{
	switch (opt) {
	case 's':
		return "the name of a switch: a-z, 0-9, \".\", \"_\", \"-\"";
	case V_REASON:
		return "at most 512 bytes";
	case V_FROM:
		return "group:G, earliest, latest or committed";
	case V_LIMIT:
		return "a whole number, 1 to 1000";
	case V_EXPECT:
	case V_SINCE:
		return "a whole number";
	case V_INTERVAL:
		return "100 ms to 1 h, with its unit";
	case V_AT:
	case V_UNTIL:
		return "02:00, \"2026-11-25 02:00\" or 2026-11-25T02:00:00Z";
	case V_IN:
	case V_FOR:
		return "a time with its unit, as 45 s, 90m or 2 d";
	default:
		return "not empty";
	}
}

/* One option's value into c; false when it is none. */
static bool take(struct ctl *c, int opt, char *value)
{
	switch (opt) {
	case 's':
		c->name = value;
		return bg_name_valid(value);
	case V_SOCKET:
		c->socket = value;
		return *value != '\0';
	case V_TOKEN_FILE:
		c->token_file = value;
		return *value != '\0';
	case V_REASON:
		c->reason = value;
		return strlen(value) <= 512;
	case V_FROM:
		c->from = value;
		return strncmp(value, "group:", 6) == 0
			       ? value[6] != '\0'
			       : strcmp(value, "earliest") == 0 || strcmp(value, "latest") == 0 ||
					 strcmp(value, "committed") == 0;
	case V_LIMIT:
		return parse_int(value, 1, 1000, &c->limit);
	case V_EXPECT:
		return parse_int(value, 0, INT64_MAX, &c->expect_epoch);
	case V_SINCE:
		return parse_int(value, 0, INT64_MAX, &c->since);
	case V_INTERVAL:
		return bg_parse_duration_us(value, &c->interval_us, NULL) == 0 && c->interval_us >= 100000 &&
		       c->interval_us <= INT64_C(3600000000);
	case V_AT:
	case V_UNTIL:
		return ctl_when_at(c, value);
	case V_IN:
	case V_FOR:
		return ctl_when_in(c, value);
	case V_CONFIG_DIR:
		c->config_dir = value;
		return *value != '\0';
	case V_WATCH:
		return c->watch = true;
	case V_YES:
		return c->yes = true;
	case V_JSON:
		return c->json = true;
	case V_WAIT:
		return c->wait = true;
	case V_DRY_RUN:
		return c->dry_run = true;
	case V_FORCE:
		return c->force = true;
	case V_RESUBSCRIBE:
		return c->resubscribe = true;
	default:
		return false;
	}
}

struct parsed {
	unsigned used; /* bits of the options that were given */
	bool help, version;
};

static int usage(struct ctl *c, const char *what, const char *text, const char *command)
{
	fprintf(c->err, "bgctl: %s%s; see bgctl %s%s--help\n", text, what, command ? command : "",
		command ? " " : "");
	return CTL_USAGE;
}

static int parse(struct ctl *c, int argc, char **argv, struct parsed *p)
{
	int opt, index = -1;

	optind = 0; /* glibc: start anew */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "s:hV", options, &index)) != -1) {
		if (opt == 'h') {
			p->help = true;
		} else if (opt == 'V') {
			p->version = true;
		} else if (opt == '?') {
			return usage(c, ": unknown option, or its value is missing",
				     argv[optind > 1 ? optind - 1 : 1], NULL);
		} else if (!take(c, opt, optarg)) {
			_cleanup_free_ char *t = bg_xasprintf(
				"\"%s\" is no value for %s%s\n  expected: %s", optarg, index < 0 ? "-" : "--",
				index < 0 ? "s" : options[index].name, wants(opt));

			fprintf(c->err, "bgctl: %s\n", t);
			return CTL_USAGE;
		}
		for (size_t i = 0; i < BG_ARRAY_SIZE(option_help); i++)
			if (option_help[i].value == opt)
				p->used |= option_help[i].bit;
		index = -1;
	}
	c->args = argv + optind;
	c->nargs = argc - optind;
	return 0;
}

static int check(struct ctl *c, const struct command *cmd, unsigned used)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(option_help); i++)
		if (used & ~cmd->options & option_help[i].bit) {
			_cleanup_free_ char *name =
				bg_xstrndup(option_help[i].text + 2, strcspn(option_help[i].text + 2, " "));

			return usage(c, " is not an option of this command", name, cmd->name);
		}
	if (c->nargs < cmd->min) {
		_cleanup_free_ char *t = bg_xasprintf("%s: %s is missing", cmd->name, cmd->args);

		return usage(c, "", t, cmd->name);
	}
	if (c->nargs > cmd->max)
		return usage(c, ": unexpected argument", c->args[cmd->max], cmd->name);
	return 0;
}

/* Colours: on a terminal that can, unless NO_COLOR is set (to anything). */
static bool may_color(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	int fd = fileno(f);

	return !(no && *no) && !(term && strcmp(term, "dumb") == 0) && fd >= 0 && isatty(fd);
}

static int run(struct ctl *c, const struct command *cmd)
{
	int rc = strcmp(cmd->privilege, "none") == 0 ? 0 : ctl_load_token(c);

	if (rc == 0)
		rc = cmd->fn(c);
	if (fflush(c->out) != 0 && rc == 0)
		rc = CTL_FAILED;
	return rc;
}

int bgctl_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct ctl c = {.out = out,
			.err = err,
			.expect_epoch = -1,
			.limit = -1,
			.since = -1,
			.config_dir = BG_SYSCONFDIR};
	struct parsed p = {0};
	const struct command *cmd = NULL;
	int rc;

	c.socket = getenv("BG_SOCKET");
	if (!c.socket || !*c.socket)
		c.socket = BG_RUNDIR "/switchd.sock";
	c.token_file = getenv("BG_TOKEN_FILE");
	c.color = may_color(out);
	rc = parse(&c, argc, argv, &p);
	if (rc)
		return rc;
	if (p.version)
		return cmd_version(&c);
	if (c.nargs > 0) {
		cmd = find(c.args[0]);
		if (!cmd)
			return usage(&c, ": no such command", c.args[0], NULL);
		c.args++;
		c.nargs--;
	}
	if (p.help || !cmd) {
		if (cmd)
			command_help(out, cmd);
		else
			help(p.help ? out : err);
		return p.help ? CTL_DONE : CTL_USAGE;
	}
	rc = check(&c, cmd, p.used);
	if (rc)
		return rc;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = run(&c, cmd);
	curl_global_cleanup();
	free(c.token);
	free(c.name_found);
	return rc;
}
