#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A consumer behind bg-consumerd: records come on standard input, answers go to standard output (bg-exec(7))."""
import json
import os
import sys


def work(record):
    """Your code. Return when the record is done; raise when it is not: it then comes again."""
    print(record["topic"], record["partition"], record["offset"], record.get("value"), file=sys.stderr)


def answer(text):
    sys.stdout.write(text + "\n")


def take(lines):
    first = last = None  # done, and not answered yet: numbers in a row are one answer
    for line in lines:
        record = json.loads(line)
        try:
            work(record)
            first, last = first or record["n"], record["n"]
        except Exception as e:  # pylint: disable=broad-except
            if first:
                answer('{"n":[%d,%d],"ok":true}' % (first, last))
            first = None
            answer(json.dumps({"n": record["n"], "ok": False, "error": repr(e)}))
    if first:
        answer('{"n":[%d,%d],"ok":true}' % (first, last))
    sys.stdout.flush()


rest = b""
while chunk := os.read(0, 1 << 16):  # what there is, so that a batch is as large as the load makes it
    *whole, rest = (rest + chunk).split(b"\n")
    take(whole)
