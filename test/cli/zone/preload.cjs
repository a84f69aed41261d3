'use strict';
// Gives the command line the stub for the engine's zones. With node -r.
const { registerHooks } = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const stub = pathToFileURL(path.join(__dirname, 'stub.ts')).href;
registerHooks({
  resolve(specifier, context, next) {
    const isZones = /\/engine\/zone\/(?!request\.|report\.)[\w-]+\.ts$/.test(specifier);
    return isZones ? { url: stub, shortCircuit: true } : next(specifier, context);
  },
});
