/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "common/daemon_int.h"
#include "common/ids.h"
#include "common/mem.h"

#define MAX_OPTIONS 32

enum { OPT_DUMP = 1000, OPT_HELP, OPT_HELP_CONFIG };

static const struct option common_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"instance", required_argument, NULL, 'i'},
	{"test", no_argument, NULL, 't'},
	{"version", no_argument, NULL, 'V'},
	{"dump-config", no_argument, NULL, OPT_DUMP},
	{"help-config", no_argument, NULL, OPT_HELP_CONFIG},
	{"help", no_argument, NULL, OPT_HELP},
};

static void help(const struct bg_daemon_spec *s, FILE *out)
{
	fprintf(out,
		"%s - %s\n\n"
		"Usage: %s [OPTION]...\n\n"
		"  -c, --config FILE      configuration (default %s)\n"
		"  -i, --instance NAME    the instance, as in blue-0: [instance:NAME] overrides, %%i in values\n"
		"  -t, --test             test the configuration and end: 0 valid, 2 not\n"
		"      --dump-config      print the configuration in force, secrets hidden\n"
		"      --help-config      print the table of keys: section, key, type, default, range, reloadable, help\n"
		"  -V, --version          print the versions\n"
		"      --help             this text\n",
		s->name, s->summary, s->name, s->default_config);
	if (s->more_help)
		fputs(s->more_help, out);
	fprintf(out,
		"\nFiles: %s, " BG_RUNDIR ", " BG_STATEDIR "; all keys: --help-config.\n"
		"Signals: SIGTERM stops, SIGHUP reads the configuration anew, SIGUSR1 logs the status.\n"
		"Exit status: 0 stopped, 1 could not start, 2 wrong call or configuration.\n",
		s->default_config);
}

static void version(const struct bg_daemon_spec *s)
{
	printf("%s %s (librdkafka %s, libevent %s, libcurl %s, json-c %s)\n", s->name, PACKAGE_VERSION,
	       rd_kafka_version_str(), event_get_version(), curl_version_info(CURLVERSION_NOW)->version,
	       json_c_version());
}

static size_t all_options(const struct bg_daemon_spec *s, struct option *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < BG_ARRAY_SIZE(common_options); i++)
		ret[n++] = common_options[i];
	for (const struct option *o = s->more_options; o && o->name && n < MAX_OPTIONS - 1; o++)
		ret[n++] = *o;
	memset(&ret[n], 0, sizeof ret[n]);
	return n;
}

int bg_daemon_args(struct bg_daemon *d, struct bg_daemon_args *a, int argc, char **argv)
{
	const struct bg_daemon_spec *s = d->spec;
	struct option options[MAX_OPTIONS];
	int opt, rc;

	all_options(s, options);
	while ((opt = getopt_long(argc, argv, "c:i:tV", options, NULL)) >= 0) {
		switch (opt) {
		case 'c':
			d->config_path = optarg;
			break;
		case 'i':
			d->instance = optarg;
			break;
		case 't':
			a->test = true;
			break;
		case 'V':
			version(s);
			return 0;
		case OPT_DUMP:
			a->dump = true;
			break;
		case OPT_HELP_CONFIG:
			bg_conf_describe(s->tables, stdout);
			return 0;
		case OPT_HELP:
			help(s, stdout);
			return 0;
		case '?':
			fprintf(stderr, "Try '%s --help'.\n", s->name);
			return 2;
		default:
			rc = s->option ? s->option(d, opt, optarg) : 3;
			if (rc)
				return rc - 1;
		}
	}
	if (d->instance && !bg_name_valid(d->instance)) {
		fprintf(stderr,
			"%s: -i %s: an instance's name is 1 to 63 of a-z, 0-9, dot, dash and underscore\n",
			s->name, d->instance);
		return 2;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument: %s\nTry '%s --help'.\n", s->name, argv[optind],
			s->name);
		return 2;
	}
	return -1;
}
