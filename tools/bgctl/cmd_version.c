/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/cmd.h"

#include <curl/curl.h>

#include "bgctl/out.h"
#include "common/json.h"

int cmd_version(struct ctl *c)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (!c->json) {
		fprintf(c->out, "bgctl %s\n", PACKAGE_VERSION);
		return CTL_DONE;
	}
	o = json_object_new_object();
	bg_json_add_str(o, "bgctl", PACKAGE_VERSION);
	bg_json_add_str(o, "contract", "1");
	bg_json_add_str(o, "libcurl", curl_version_info(CURLVERSION_NOW)->version);
	bg_json_add_str(o, "json_c", json_c_version());
	out_json(c, o);
	return CTL_DONE;
}
