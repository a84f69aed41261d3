'use strict';

// `node bench/start.cjs FILE.ts ARGS…`: runs a file of this folder under Node 24, whatever the caller's own Node is.
const path = require('node:path');
const { ensureToolchain, run } = require('../tool/toolchain.cjs');

run(ensureToolchain(), [path.join(__dirname, process.argv[2])].concat(process.argv.slice(3)));
