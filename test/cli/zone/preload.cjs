'use strict';
// Gives the command line the stub for the engine's zones. With node -r.
const { registerHooks } = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const stub = pathToFileURL(path.join(__dirname, 'stub.ts')).href;
// Where a module of ours lies is not looked up by those that come later, so it is its content that is replaced.
registerHooks({
  load(url, context, next) {
    const isZones = /\/src\/engine\/zone\/(?!request\.|report\.)[\w-]+\.ts$/.test(url);
    const source = `export * from ${JSON.stringify(stub)};`;
    return isZones ? { format: 'module', source, shortCircuit: true } : next(url, context);
  },
});
