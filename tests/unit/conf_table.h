/* SPDX-License-Identifier: Apache-2.0 */
/* The key table of test_conf.c and test_conf_bad.c: every type, with and without limits and defaults. */
#ifndef BG_TESTS_CONF_TABLE_H
#define BG_TESTS_CONF_TABLE_H

#include "common/conf.h"

static const struct bg_conf_key test_table[] = {
	{"consumer", "switch", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_REQUIRED, "Name."},
	{"consumer", "topics", BG_CONF_LIST, NULL, 0, 0, NULL, 0, "Topics."},
	{"consumer", "defaults", BG_CONF_LIST, "one, two", 0, 0, NULL, 0, "A list with a default."},
	{"consumer", "mode", BG_CONF_ENUM, "handover", 0, 0, "handover|plain", 0, "Mode."},
	{"consumer", "yes", BG_CONF_BOOL, "no", 0, 0, NULL, 0, "Yes."},
	{"consumer", "count", BG_CONF_INT, NULL, -10, 10, NULL, 0, "Count."},
	{"consumer", "wait", BG_CONF_DURATION, "10 s", 1000, 60000000, NULL, BG_CONF_RELOAD, "How long."},
	{"consumer", "size", BG_CONF_SIZE, "1 MiB", 1024, 1 << 30, NULL, 0, "Size."},
	{"consumer", "rate", BG_CONF_DOUBLE, "0", 0, 1, NULL, 0, "Rate."},
	{"consumer", "text", BG_CONF_STRING, NULL, 0, 0, NULL, 0, "Text."},
	{"consumer", "secret-text", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_SECRET, "Secret."},
	{"consumer", "socket", BG_CONF_STRING, "/run/x/consumerd-%i.sock", 0, 0, NULL, 0, "Socket."},
	{"consumer", "dir", BG_CONF_STRING, "/var/x/%i", 0, 0, NULL, 0, "Folder."},
	{"http", "listen", BG_CONF_STRING, "127.0.0.1:8080", 0, 0, NULL, 0, "Address."},
	{"kafka", "*", BG_CONF_PASS, NULL, 0, 0, BG_CONF_KAFKA_LISTS, 0, "librdkafka's."},
	{"switch:*", "soak", BG_CONF_DURATION, "60 s", 0, 0, NULL, 0, "Soak."},
	{"switch:*", "topics", BG_CONF_LIST, NULL, 0, 0, NULL, BG_CONF_REQUIRED, "Topics."},
	{"handler:log", "level", BG_CONF_STRING, NULL, 0, 0, NULL, 0, "Level."},
	{"store", "size", BG_CONF_SIZE, "1 MiB", 0, 0, NULL, 0, "Size."},
	{NULL},
};
static const struct bg_conf_key *const test_tables[] = {test_table, bg_conf_common_table, NULL};

#endif
