# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_PRODUCERD =
