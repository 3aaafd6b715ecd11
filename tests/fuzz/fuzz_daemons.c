/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of each daemon: its own key table and its own checks. The first byte says whose. What is
 * taken is used as at a start: the struct of the instance, or of each switch, is made from it.
 */
#include "config.h"

#include "common/conf.h"
#include "consumerd/con_conf.h"
#include "fuzz/fuzz.h"
#include "producerd/prod.h"
#include "switchd/cfg.h"

static void use_consumer(const struct bg_conf *c, const char *instance)
{
	struct bg_daemon d = {.conf = (struct bg_conf *)c, .instance = instance};
	struct con con = {.d = &d};

	con_conf_apply(&con);
	FUZZ_MUST(con.cfg.sw && con.cfg.group && con.cfg.ntopics > 0);
	con_conf_tune(&con, c);
	FUZZ_MUST(con.tun.max_in_flight > 0);
	con_conf_free(&con);
}

static void use_switches(const struct bg_conf *c)
{
	const char *name;

	for (size_t i = 0; (name = bg_conf_name_at(c, "switch", i)); i++) {
		struct bg_err err = BG_ERR_INIT;
		struct sw_cfg *cfg;

		if (sw_cfg_new(c, name, &cfg, &err) < 0) {
			FUZZ_MUST(err.msg[0]); /* its token file */
			continue;
		}
		FUZZ_MUST(cfg->plan && cfg->n_topics > 0);
		sw_cfg_free(cfg);
	}
}

/* These name files of this machine, to be read or loaded while the configuration is checked. */
static bool reads_files(const uint8_t *data, size_t size)
{
	static const char *const words[] = {"file:", "plugin.", "token-file"};

	for (size_t i = 0; i < BG_ARRAY_SIZE(words); i++)
		if (memmem(data, size, words[i], strlen(words[i])))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	_cleanup_free_ char *text = NULL;
	struct bg_conf *c = NULL;
	char who;
	int rc;

	if (size < 1 || reads_files(data, size))
		return 0;
	who = (char)data[0];
	text = fuzz_bytes(data + 1, --size);
	const struct bg_conf_key *const *tables = who == 's'   ? sw_conf_tables
						  : who == 'p' ? prod_conf_tables
							       : con_tables;
	const char *instance = who == 'p' || who == 's' ? NULL : "blue-0";
	if (bg_conf_load_mem("fuzz", text, size, tables, instance, &c, &errs) < 0) {
		FUZZ_MUST(errs.len && !c);
		return 0;
	}
	rc = who == 's'   ? sw_cfg_check(c, instance, &errs)
	     : who == 'p' ? prod_conf_check(c, instance, &errs)
			  : con_conf_check(c, instance, &errs);
	FUZZ_MUST((rc < 0) == (errs.len > 0));
	if (rc == 0 && who == 's')
		use_switches(c);
	else if (rc == 0 && who != 'p')
		use_consumer(c, instance);
	bg_conf_free(c);
	return 0;
}
