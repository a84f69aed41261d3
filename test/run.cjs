'use strict';

// `npm test [-- FILTER… --node-flags]`: every test/**/*.test.ts, or those whose path contains a FILTER, in Node's own
// test runner. Starts under any Node and installs what is missing first.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ensureToolchain, root, run } = require('../tool/toolchain.cjs');

const filters = process.argv.slice(2).filter(argument => !argument.startsWith('-'));
const flags = process.argv.slice(2).filter(argument => argument.startsWith('-'));

const files = findTests(path.join(root, 'test'))
  .map(file => path.relative(root, file))
  .filter(file => filters.length === 0 || filters.some(filter => file.includes(path.normalize(filter))));

if (files.length === 0) {
  process.stderr.write(`no test file matches ${filters.join(', ')}\n`);
  process.exit(1);
}

run(
  ensureToolchain(),
  [
    '--test',
    // Node's default leaves one core idle, which on two cores is half of the machine.
    `--test-concurrency=${Math.max(2, os.cpus().length)}`,
    // A test that hangs must not hang the run; the slowest file takes a tenth of this.
    '--test-timeout=300000',
    '--test-reporter=./test/reporter.ts',
    '--test-reporter-destination=stdout',
  ].concat(flags, files),
  { cwd: root },
);

function findTests(directory) {
  const found = [];
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) found.push(...findTests(file));
    else if (entry.name.endsWith('.test.ts')) found.push(file);
  }
  return found.sort();
}
