#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program of exec.bats, with faults that files switch on: slow.INSTANCE, hang.INSTANCE, keep.INSTANCE."""
import json
import os
import time

folder, me = os.environ["BG_EXEC_DIR"], os.environ["BG_INSTANCE"]


def is_on(fault):
    return os.path.exists(f"{folder}/{fault}.{me}")


kept = None
rest = b""
while chunk := os.read(0, 1 << 16):
    *lines, rest = (rest + chunk).split(b"\n")
    if is_on("slow"):
        time.sleep(0.3)
    if is_on("hang"):
        time.sleep(1000)
    answers = []
    for line in lines:
        n = json.loads(line)["n"]
        if kept is None and is_on("keep"):
            kept = n  # never answered, while the others go on
        else:
            answers.append('{"n":%d,"ok":true}\n' % n)
    os.write(1, "".join(answers).encode())
