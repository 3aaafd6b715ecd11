# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Colours that differ, for takeover_ordinals and takeover_resubscribe. Loaded after helper.
# shellcheck source=tests/system/helper.bash

# green-0 with other lines in its section. Without arguments: as it was.
green_with() {
	local line
	bg_stop green-0
	[ -e "$BG_DIR/etc/consumerd.as-it-was" ] || cp "$BG_DIR/etc/consumerd.ini" "$BG_DIR/etc/consumerd.as-it-was"
	cp "$BG_DIR/etc/consumerd.as-it-was" "$BG_DIR/etc/consumerd.ini"
	if [ $# -gt 0 ]; then
		sed -i '/^\[instance:green-0\]/,$ {/^ordinals/d}' "$BG_DIR/etc/consumerd.ini"
		for line in "$@"; do sed -i "/^\[instance:green-0\]/a $line" "$BG_DIR/etc/consumerd.ini"; done
	fi
	bg_start_consumer green-0
	await 10 bg_ready green-0
	await 10 bg_is green-0 PAUSED
}

# `no_go PATTERN…`: refused, each pattern is in what it says, and nothing was changed.
no_go() {
	local e a p said rc=0
	e=$(epoch)
	a=$(active)
	said=$(bg_ctl switch "$(other_of "$a")" --wait 2>&1) || rc=$?
	echo "$said"
	assert_eq "exit status" "$rc" 3
	for p in "$@"; do assert_match "what it says" "$said" "$p"; done
	assert_eq epoch "$(epoch)" "$e"
	assert_eq active "$(active)" "$a"
	bg_color_is "$a" ACTIVE
}
