#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Another program for each instance of exec.bats: the examples, and one with faults.
case $BG_INSTANCE in
blue-0) exec python3 "$BG_SRC/examples/python/consumer.py" ;;
blue-1) exec node "$BG_SRC/examples/node/consumer.js" ;;
green-0) exec sh "$BG_SRC/examples/shell/consumer.sh" ;;
*) exec python3 "$BG_SRC/tests/system/exec_child.py" ;;
esac
