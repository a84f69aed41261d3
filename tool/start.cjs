'use strict';

// `node tool/start.cjs ARGS…` is `node ARGS…` under the project's own Node 24, whatever the caller's Node is.
const { ensureToolchain, run } = require('./toolchain.cjs');

run(ensureToolchain(), process.argv.slice(2));
