#!/usr/bin/env node
// biome-ignore-all lint: ES5, so that a Node of any age gets as far as saying what it lacks.
'use strict';

// Starts Shale under any Node. New enough: the compile cache, then the command line itself. Too old: the Node that
// this checkout carries as a dev dependency takes over; without one, a line on stderr says what to install.
var fs = require('fs');
var path = require('path');

var MINIMUM = 24;
var root = path.dirname(path.dirname(fs.realpathSync(__filename)));

if (major(process.versions.node) >= MINIMUM) start();
else handOver();

function major(version) {
  return parseInt(version, 10);
}

function fail(line) {
  process.stderr.write('shale: ' + line + '\n');
  process.exit(1);
}

function start() {
  try {
    enableCompileCache();
  } catch (_) {
    // Slower, that is all.
  }
  // The main thread's young objects would grow to hold 100 MB for nothing: it keeps a steady, small rate of garbage.
  require('v8').setFlagsFromString('--semi-space-growth-factor=1');
  var main = entry();
  if (main === undefined) fail('neither src/ nor dist/ is in ' + root + '; run `npm run build`');
  else {
    resolveOurs(path.dirname(path.dirname(main)), path.extname(main));
    require(main).main(process.argv.slice(2));
  }
}

// Our modules name each other by the paths of their files. Node would still look for each at every import of it, and for
// what package.json says of it: a quarter of the time that a command takes to start.
function resolveOurs(directory, extension) {
  var registerHooks = require('module').registerHooks;
  if (registerHooks === undefined) return;
  var base = require('url').pathToFileURL(directory).href + '/';
  var format = extension === '.ts' ? 'module-typescript' : 'module';
  registerHooks({
    resolve: function (specifier, context, next) {
      var importer = context.parentURL || '';
      var isOurs = /^\.\.?\//.test(specifier) && specifier.endsWith(extension) && importer.startsWith(base);
      if (!isOurs) return next(specifier, context);
      return { url: new URL(specifier, importer).href, format: format, shortCircuit: true };
    },
  });
}

// Sources come first, so that a stale dist/ never answers in a checkout; but Node strips no types in node_modules.
function entry() {
  var source = path.join(root, 'src', 'cli', 'main.ts');
  var built = path.join(root, 'dist', 'cli', 'main.js');
  var installed = root.split(path.sep).indexOf('node_modules') !== -1;
  if (!installed && process.features.typescript && fs.existsSync(source)) return source;
  return fs.existsSync(built) ? built : undefined;
}

// What the cache holds is run as code: it must be a directory that nobody but this user can write to. That also keeps
// `sudo` from leaving root's files in the home directory of the one who called it.
function enableCompileCache() {
  var home = process.env.HOME || require('os').homedir();
  var base = process.env.XDG_CACHE_HOME || '';
  if (!path.isAbsolute(base)) base = path.join(home, '.cache');
  var directory = path.join(base, 'shale', 'compile');
  if (!fs.existsSync(directory)) {
    if (!isPrivate(fs.existsSync(base) ? base : home)) return;
    fs.mkdirSync(directory, { recursive: true, mode: 448 });
  }
  if (isPrivate(directory)) require('module').enableCompileCache(directory);
}

function isPrivate(directory) {
  if (process.geteuid === undefined) return true;
  var status = fs.lstatSync(directory);
  return status.isDirectory() && status.uid === process.geteuid() && (status.mode & 18) === 0;
}

function handOver() {
  var node = bundledNode();
  if (node === undefined) {
    var wanted = 'needs Node.js ' + MINIMUM + ' or newer, and this is ' + process.versions.node;
    fail(wanted + '; install it from https://nodejs.org or, in a checkout, run `npm ci`');
  }
  var args = [__filename].concat(process.argv.slice(2));
  if (process.execve !== undefined) {
    try {
      process.execve(node, [node].concat(args), process.env);
    } catch (_) {
      // Not on this platform: a child, then.
    }
  }
  runAsChild(node, args);
}

function bundledNode() {
  var exe = process.platform === 'win32' ? '.exe' : '';
  var candidates = [
    path.join(root, 'node_modules', 'node', 'bin', 'node' + exe),
    path.join(root, 'node_modules', '.bin', 'node' + exe),
  ];
  for (var i = 0; i < candidates.length; i++) {
    if (!fs.existsSync(candidates[i])) continue;
    if (i === 0 && packaged() >= MINIMUM) return candidates[i];
    var answer = require('child_process').spawnSync(candidates[i], ['--version'], { encoding: 'utf8' });
    var version = /^v(\d+)\./.exec(answer.stdout || '');
    if (answer.status === 0 && version !== null && major(version[1]) >= MINIMUM) return candidates[i];
  }
  return undefined;
}

// The version that the npm package `node` says it brings: asking the program itself would cost a second start of Node.
function packaged() {
  var file = path.join(root, 'node_modules', 'node', 'package.json');
  try {
    return major(JSON.parse(fs.readFileSync(file, 'utf8')).version);
  } catch (_) {
    return 0;
  }
}

// What kills the parent must reach the child, for it cleans up; and its end, status or signal, becomes ours. A terminal
// sends Ctrl-C and Ctrl-\ to both: passing them on would count twice.
function runAsChild(node, args) {
  var child = require('child_process').spawn(node, args, { stdio: 'inherit' });
  var tty = require('tty');
  var terminal = tty.isatty(0) || tty.isatty(1) || tty.isatty(2);
  var handlers = {};
  ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'].forEach(function (signal) {
    handlers[signal] = function () {
      if (!(terminal && (signal === 'SIGINT' || signal === 'SIGQUIT'))) child.kill(signal);
    };
    try {
      process.on(signal, handlers[signal]);
    } catch (_) {
      // A signal that this platform does not have.
    }
  });
  child.on('error', function (error) {
    fail('cannot start ' + node + ': ' + error.message);
  });
  child.on('exit', function (status, signal) {
    if (signal === null) process.exit(status);
    Object.keys(handlers).forEach(function (name) {
      process.removeListener(name, handlers[name]);
    });
    process.kill(process.pid, signal);
    // A signal whose default is not to end a process; 128 is how shells report any signal.
    setTimeout(function () {
      process.exit(128);
    }, 100);
  });
}
