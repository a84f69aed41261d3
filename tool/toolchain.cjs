'use strict';

// What `npm test`, `npm run demo` and `npm run bench` need before they can start, on a fresh clone as well: the locked
// packages, and a Node 24. Plain CommonJS that Node 16 understands, for it runs under the caller's Node. Whatever is
// missing is installed here; what is said about it goes to stderr.
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.dirname(__dirname);
const packages = path.join(root, 'node_modules');
const bundled = path.join(packages, 'node');
const windows = process.platform === 'win32';
const minimum = 24;

/** Installs what is missing and returns the Node to run with: the locked one, or this one where that cannot be had. */
function ensureToolchain() {
  if (!isInstalled()) {
    say('installing the locked packages (npm ci)');
    // A production environment would leave the dev dependencies out.
    if (!npm(root, ['ci', '--include=dev', '--no-audit', '--no-fund'])) fail('npm ci failed; see above');
  }
  const locked = path.join(bundled, 'bin', windows ? 'node.exe' : 'node');
  if (isNewEnough(locked)) return locked;
  if (parseInt(process.versions.node, 10) >= minimum) return process.execPath;
  say('npm did not run the install script of the package `node`; fetching its binary');
  fetchNode(locked);
  if (isNewEnough(locked)) return locked;
  return fail(
    `needs Node.js ${minimum} or newer, this is ${process.versions.node}, and npm could not fetch one`,
  );
}

/** Compares contents, not times: switching branches touches the lock file without changing it. */
function isInstalled() {
  const wanted = readLock(path.join(root, 'package-lock.json'));
  const present = readLock(path.join(packages, '.package-lock.json'));
  return Object.keys(wanted).every(name => {
    if (name === '') return true;
    if (present[name] === undefined) return wanted[name].optional === true;
    return present[name].version === wanted[name].version && fs.existsSync(path.join(root, name));
  });
}

function readLock(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch (_) {
    return {};
  }
}

/** The package `node` is a script that fetches this platform's binary package; npm may have been told to run no scripts. */
function fetchNode(target) {
  const version = JSON.parse(fs.readFileSync(path.join(bundled, 'package.json'), 'utf8')).version;
  const prefix = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  const name = [prefix, windows ? 'win' : process.platform, process.arch].join('-');
  npm(bundled, ['install', '--no-save', '--no-package-lock', '--ignore-scripts', `${name}@${version}`]);
  const source = path.join(bundled, 'node_modules', name, 'bin', path.basename(target));
  if (!fs.existsSync(source)) return;
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.rmSync(target, { force: true });
  fs.linkSync(source, target);
}

function isNewEnough(node) {
  const answer = spawnSync(node, ['--version'], { encoding: 'utf8' });
  const version = /^v(\d+)\./.exec(answer.stdout || '');
  return answer.status === 0 && version !== null && Number(version[1]) >= minimum;
}

/** npm itself must not run on the Node that it is about to replace: this checkout's binaries leave the PATH. */
function npm(cwd, args) {
  const ownPath = (process.env.PATH || '').split(path.delimiter).filter(entry => !entry.startsWith(packages));
  const env = Object.assign({}, process.env, { PATH: ownPath.join(path.delimiter) });
  const answer = spawnSync(windows ? 'npm.cmd' : 'npm', args, {
    cwd,
    env,
    stdio: ['ignore', 2, 2],
    shell: windows,
  });
  if (answer.error) say(`cannot start npm: ${answer.error.message}`);
  return answer.status === 0;
}

/** Runs `node` with `args`, this process's end being the end of that one: same status, same signal. */
function run(node, args, options = {}) {
  const binaries = [path.dirname(node), path.join(packages, '.bin')].join(path.delimiter);
  const env = Object.assign({}, process.env, options.env, {
    PATH: binaries + path.delimiter + (process.env.PATH || ''),
  });
  const child = spawn(node, args, { cwd: options.cwd, env, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', error => fail(`cannot start ${node}: ${error.message}`));
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}

module.exports = { ensureToolchain, run, root };
