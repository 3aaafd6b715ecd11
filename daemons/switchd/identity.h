/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An identity in use: an instance that should work was fenced, because somebody else joined with its static id. It is
 * not brought back while that one is there (they would throw each other out without end): the broker is asked who has
 * the id, both hosts are named, and only when nobody has it any more a newer epoch brings the instance back.
 */
#ifndef SW_IDENTITY_H
#define SW_IDENTITY_H

#include "switchd/switch.h"

/* It should work, and somebody else has its identity. */
bool sw_identity_lost(const struct sw_switch *sw, const struct sw_inst *i);
/* A hello was refused, for its url is no endpoint here: it may be who has an identity of ours. Copies the strings. */
void sw_identity_stranger(struct sw_switch *sw, enum bg_color c, const char *name, const char *url);
/* Ask the broker, once in a while, as long as there is such an instance. */
void sw_identity_look(struct sw_switch *sw);
/* What is wrong, for people, both hosts named: into buf. False: nothing is. */
bool sw_identity_trouble(const struct sw_switch *sw, char *buf, size_t size);
/* [{"instance","url","static_id","usurper":null or {"client_id","host","endpoint":url|null}}]; the caller owns it. */
struct json_object *sw_identity_json(const struct sw_switch *sw);

#endif
