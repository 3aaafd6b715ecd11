#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// A consumer behind bg-consumerd: records come on standard input, answers go to standard output (bg-exec(7)).
'use strict';

// Your code. Resolves when the record is done, rejects when it is not: it then comes again.
async function work(record) {
  console.error(record.topic, record.partition, record.offset, record.value);
}

// Several at once, but those of a partition one after the other; the answers come in any order.
const partitions = new Map();

async function take(line) {
  const record = JSON.parse(line);
  const key = `${record.topic} ${record.partition}`;
  const before = partitions.get(key) || Promise.resolve();
  const mine = before.then(() => work(record)).then(
    () => answer({ n: record.n, ok: true }),
    (e) => answer({ n: record.n, ok: false, error: String(e) }),
  );
  partitions.set(key, mine);
}

let answers = '';
function answer(a) {
  if (!answers) setImmediate(() => { process.stdout.write(answers); answers = ''; });
  answers += `${JSON.stringify(a)}\n`;
}

let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  lines.forEach(take);
});
