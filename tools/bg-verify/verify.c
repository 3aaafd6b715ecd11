/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments, and the order of the work. */
#include "config.h"
#include "bg-verify/verify.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bg-verify/judge.h"
#include "bg-verify/report.h"
#include "bg-verify/topic.h"
#include "common/mem.h"
#include "common/units.h"

#define EX_USAGE_   2
#define EX_NOTHING_ 3

struct list {
	char **v; /* borrowed from argv, NULL-terminated */
	size_t n;
};
struct args {
	const char *bootstrap;
	struct list topics, props, instances;
	struct vf_opts opts;
	int64_t expect_duplicates;
	bool json;
};

static const char usage[] =
	"Usage: bg-verify [OPTION]... LEDGER...\n"
	"Read a topic and the ledgers of all instances that worked on it, and say what was\n"
	"lost, repeated, out of order, or done by two colours at once.\n"
	"\n"
	"  --bootstrap H:P|file:PATH   the brokers; without, only the ledgers are judged\n"
	"  --topic NAME                a topic to read (repeatable; default: those in the ledgers)\n"
	"  --run HEX                   judge only the records of this run of bg-producerd\n"
	"  --from start|committed|processed  first record judged: the log's start (default), the\n"
	"                              first committed or first processed offset\n"
	"  --upto end|committed|processed    last one judged: the log's end (default), the last\n"
	"                              committed or last processed offset\n"
	"  --until-end                 the same as --upto end\n"
	"  --clock-error MS            between hosts (default 50); one host's times are exact\n"
	"  --instance NAME             a ledger of this instance must be there (repeatable)\n"
	"  --expect-duplicates N       more than N repeats are a violation\n"
	"  --json                      the report as one JSON object\n"
	"  -X NAME=VALUE               a librdkafka property (repeatable)\n"
	"  -h, --help   -V, --version\n"
	"\n"
	"Exit status: 0 good, 1 lost records or two colours active (or too many duplicates),\n"
	"2 usage, 3 no verdict (damaged or missing ledger, unreadable topic).\n";

enum { O_BOOTSTRAP = 256, O_TOPIC, O_RUN, O_FROM, O_UPTO, O_UNTIL_END, O_CLOCK, O_INSTANCE, O_DUPS, O_JSON };

static const struct option options[] = {
	{"bootstrap", required_argument, NULL, O_BOOTSTRAP},
	{"topic", required_argument, NULL, O_TOPIC},
	{"run", required_argument, NULL, O_RUN},
	{"from", required_argument, NULL, O_FROM},
	{"upto", required_argument, NULL, O_UPTO},
	{"clock-error", required_argument, NULL, O_CLOCK},
	{"instance", required_argument, NULL, O_INSTANCE},
	{"expect-duplicates", required_argument, NULL, O_DUPS},
	{"json", no_argument, NULL, O_JSON},
	{"until-end", no_argument, NULL, O_UNTIL_END},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static void append(struct list *l, char *s)
{
	l->v = bg_xrealloc(l->v, (l->n + 2) * sizeof(*l->v));
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

/* Index of `s` among three words, -1: none of them. */
static int choose(const char *s, const char *const words[3])
{
	for (int i = 0; i < 3; i++)
		if (strcmp(s, words[i]) == 0)
			return i;
	return -1;
}

static bool parse_run(const char *s, uint32_t *ret)
{
	int64_t seq;

	return vf_number_parse(s, strlen(s), "0", 1, ret, &seq);
}

/* One option; false when its value is none. */
static bool option(struct args *a, int opt, char *value)
{
	static const char *const from[] = {"start", "committed", "processed"}, *const upto[] = {"end",
												"committed",
												"processed"};
	double clock;
	int i;

	switch (opt) {
	case O_BOOTSTRAP:
		a->bootstrap = value;
		return *value != '\0';
	case O_TOPIC:
		append(&a->topics, value);
		return *value != '\0';
	case O_INSTANCE:
		append(&a->instances, value);
		return *value != '\0';
	case 'X':
		append(&a->props, value);
		return strchr(value, '=') != NULL;
	case O_RUN:
		return a->opts.has_run = parse_run(value, &a->opts.run);
	case O_FROM:
		i = choose(value, from);
		a->opts.from = (enum vf_from)i;
		return i >= 0;
	case O_UPTO:
		i = choose(value, upto);
		a->opts.upto = (enum vf_upto)i;
		return i >= 0;
	case O_UNTIL_END:
		a->opts.upto = VF_UPTO_END;
		return true;
	case O_CLOCK:
		if (bg_parse_double(value, &clock, NULL) < 0 || !(clock >= 0 && clock <= 3600e3))
			return false;
		a->opts.clock_error_ns = (int64_t)(clock * 1e6);
		return true;
	case O_DUPS:
		return bg_parse_int(value, &a->expect_duplicates, NULL) == 0 && a->expect_duplicates >= 0;
	case O_JSON:
		return a->json = true;
	default:
		return false;
	}
}

/* -1: go on; else the exit status. */
static int parse_args(struct args *a, int argc, char **argv, FILE *out, FILE *errs)
{
	int opt, index = 0;

	optind = 0; /* glibc: start anew, the tests call this more than once */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "X:hV", options, &index)) != -1) {
		if (opt == 'h') {
			fputs(usage, out);
			return 0;
		}
		if (opt == 'V') {
			fprintf(out, "bg-verify %s\n", PACKAGE_VERSION);
			return 0;
		}
		if (opt == '?' || opt == ':') {
			fprintf(errs, "bg-verify: %s: unknown option, or its value is missing; see --help\n",
				argv[optind > 1 ? optind - 1 : 1]);
			return EX_USAGE_;
		}
		if (!option(a, opt, optarg)) {
			fprintf(errs, "bg-verify: %s%s: \"%s\" is not a value for it; see --help\n",
				opt == 'X' ? "-" : "--", opt == 'X' ? "X" : options[index].name, optarg);
			return EX_USAGE_;
		}
	}
	if (optind >= argc) {
		fprintf(errs, "bg-verify: no ledger given; see --help\n");
		return EX_USAGE_;
	}
	if (a->topics.n > 0 && !a->bootstrap && a->props.n == 0) {
		fprintf(errs, "bg-verify: --topic needs --bootstrap\n");
		return EX_USAGE_;
	}
	return -1;
}

struct ends {
	struct vf_topics *topics;
	struct vf_notes *notes;
};

/* The end of a topic is noted as soon as its name is known, before the ledgers are read: a running system has
 * then had the longest time to process what lies before it. */
static void on_topic(void *arg, const char *topic)
{
	struct ends *e = arg;
	struct bg_err err = BG_ERR_INIT;

	if (vf_topics_end(e->topics, topic, &err) < 0)
		vf_error(e->notes, "%s", err.msg);
}

static void read_ledgers(struct vf_sources *sources, struct vf_judge *j)
{
	struct vf_event ev;

	while (vf_sources_next(sources, &ev)) {
		vf_judge_boots(j, vf_sources_boots(sources));
		vf_judge_event(j, &ev);
	}
	vf_judge_ledgers_done(j);
}

static int judge_all(const struct args *a, struct vf_sources *sources, struct vf_judge *j,
		     struct vf_notes *notes, FILE *errs)
{
	struct bg_err err = BG_ERR_INIT;
	struct ends ends = {NULL, notes};

	if (a->bootstrap || a->props.n > 0) {
		if (vf_topics_open(a->bootstrap, a->props.v, a->props.n, &ends.topics, &err) < 0) {
			fprintf(errs, "bg-verify: %s\n", err.msg);
			return strcmp(err.code, "bad_property") == 0 ? EX_USAGE_ : EX_NOTHING_;
		}
		for (size_t i = 0; i < a->topics.n; i++)
			on_topic(&ends, a->topics.v[i]);
		if (a->topics.n == 0) {
			j->on_topic = on_topic;
			j->on_topic_arg = &ends;
		}
	}
	read_ledgers(sources, j);
	j->on_topic = NULL;
	if (!ends.topics)
		vf_judge_no_topic(j);
	else if (vf_topics_read(ends.topics, j, &err) < 0)
		vf_error(notes, "%s", err.msg);
	vf_topics_free(ends.topics);
	vf_judge_finish(j);
	return 0;
}

static int run(const struct args *a, char **paths, size_t n, FILE *out, FILE *errs)
{
	struct vf_notes notes = {0};
	struct vf_sources *sources = NULL;
	struct bg_err err = BG_ERR_INIT;
	struct vf_judge *j;
	int status;

	if (vf_sources_open(paths, n, &notes, &sources, &err) < 0) {
		fprintf(errs, "bg-verify: %s\n", err.msg);
		vf_notes_free(&notes);
		return EX_NOTHING_;
	}
	j = vf_judge_new(&a->opts, n, &notes);
	status = judge_all(a, sources, j, &notes, errs);
	if (status == 0) {
		struct vf_report r = {j, sources, n, vf_judge_status(j, a->expect_duplicates)};

		if (a->json)
			vf_report_json(&r, out);
		else
			vf_report_text(&r, out);
		status = r.status;
	}
	vf_judge_free(j);
	vf_sources_free(sources);
	vf_notes_free(&notes);
	return status;
}

int vf_main(int argc, char **argv, FILE *out, FILE *errs)
{
	struct args a = {.expect_duplicates = -1};
	int status;

	a.opts.clock_error_ns = 50 * 1000000LL;
	status = parse_args(&a, argc, argv, out, errs);
	a.opts.instances = (const char *const *)a.instances.v;
	if (status < 0)
		status = run(&a, argv + optind, (size_t)(argc - optind), out, errs);
	free(a.topics.v);
	free(a.props.v);
	free(a.instances.v);
	return status;
}
