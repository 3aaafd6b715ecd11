# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += man/bg-protocol.7 man/bg-exec.7
EXTRA_DIST += NEWS CONTRIBUTING.md
