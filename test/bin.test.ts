import assert from 'node:assert/strict';
import { type SpawnSyncOptionsWithStringEncoding, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

const major = Number.parseInt(process.versions.node, 10);
const checkoutBin = path.join(import.meta.dirname, '..', 'bin');
let directory = '';
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'shale-bin-'));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

/** A package as it lies in a checkout or in node_modules: this project's bin/, and a main that tells what it was given. */
function createPackage(name: string, parts: readonly ('src' | 'dist')[]): string {
  const root = path.join(directory, name);
  fs.cpSync(checkoutBin, path.join(root, 'bin'), { recursive: true });
  write(path.join(root, 'package.json'), '{"type":"module"}');
  for (const part of parts) {
    const annotation = part === 'src' ? ': string[]' : '';
    const main = `export function main(args${annotation}) {
      console.log(JSON.stringify({ part: '${part}', args, major: parseInt(process.versions.node) }));
      if (args[0] === 'status') process.exitCode = 7;
      if (args[0] === 'die') process.kill(process.pid, 'SIGKILL');
      if (args[0] === 'wait') { setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(9)); }
    }`;
    write(path.join(root, part, 'cli', part === 'src' ? 'main.ts' : 'main.js'), main);
  }
  return root;
}

function write(file: string, text: string, mode = 0o644): string {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text, { mode });
  return file;
}

function run(node: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const options: SpawnSyncOptionsWithStringEncoding = { encoding: 'utf8', env: cleanEnvironment(env) };
  return spawnSync(node, args, options);
}

/** Without the caller's own caches and Node options. */
function cleanEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: directory, ...env };
}

const bin = (root: string) => path.join(root, 'bin', 'shale.js');

test('bin/shale.js parses as ECMAScript 5, so that any Node gets as far as its message', () => {
  const parse = `require('internal/deps/acorn/acorn/dist/acorn').parse(
    require('fs').readFileSync(process.argv[1], 'utf8'), { ecmaVersion: 5, allowHashBang: true })`;
  const { status, stderr } = run(process.execPath, [
    '--expose-internals',
    '-e',
    parse,
    bin(path.dirname(checkoutBin)),
  ]);
  assert.equal(status, 0, stderr);
});

test('a checkout runs its sources, even where a build lies beside them', () => {
  const { stdout, stderr } = run(process.execPath, [
    bin(createPackage('shale', ['src', 'dist'])),
    'a',
    '--b=c d',
  ]);
  assert.deepEqual([JSON.parse(stdout), stderr], [{ part: 'src', args: ['a', '--b=c d'], major }, '']);
});

test('an installed package runs its build, for types are not stripped in node_modules', () => {
  const root = createPackage('node_modules/shale', ['src', 'dist']);
  assert.equal(JSON.parse(run(process.execPath, [bin(root)]).stdout).part, 'dist');
});

test('where types are not stripped at all the build runs', () => {
  const root = createPackage('shale', ['src', 'dist']);
  assert.equal(JSON.parse(run(process.execPath, ['--no-strip-types', bin(root)]).stdout).part, 'dist');
});

test('a symlinked command finds its package: npm link, node_modules/.bin', () => {
  const root = createPackage('shale', ['src']);
  fs.symlinkSync(root, path.join(directory, 'linked'));
  fs.symlinkSync('linked/bin/shale.js', path.join(directory, 'command'));
  const { stdout } = run(path.join(directory, 'command'), ['x'], {
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`,
  });
  assert.deepEqual(JSON.parse(stdout), { part: 'src', args: ['x'], major });
});

test('a package with neither sources nor build says so in one line', () => {
  const { status, stderr } = run(process.execPath, [bin(createPackage('shale', []))]);
  assert.deepEqual([status, stderr.split('\n').length], [1, 2]);
  assert.match(stderr, /^shale: neither src\/ nor dist\/ /);
});

// Ways to be too old: this Node told to say so, with and without execve, and a real one where the machine has it.
const pretend =
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.19.0' } });";
const realOld = (process.env.PATH ?? '')
  .split(path.delimiter)
  .map(entry => path.join(entry, 'node'))
  .find(node => /^v(1\d|2[0-3])\./.test(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? ''));
const olds = [
  { name: 'a Node 18 with execve', preload: pretend },
  { name: 'a Node 18 without execve', preload: `${pretend} process.execve = undefined;` },
  { name: 'the old Node of this machine', preload: undefined },
];

for (const { name, preload } of olds) {
  const skip = preload === undefined && realOld === undefined && 'no Node older than 24 on the PATH';
  const command = (root: string, ...args: string[]): [string, string[]] =>
    preload === undefined
      ? [realOld!, [bin(root), ...args]]
      : [process.execPath, ['-r', write(path.join(directory, 'old.cjs'), preload), bin(root), ...args]];
  const createCheckout = () => {
    const root = createPackage('shale', ['src']);
    fs.mkdirSync(path.join(root, 'node_modules', 'node', 'bin'), { recursive: true });
    fs.symlinkSync(process.execPath, path.join(root, 'node_modules', 'node', 'bin', 'node'));
    return root;
  };

  test(`${name} hands over to the bundled one, status and signal included`, { skip }, () => {
    const root = createCheckout();
    const { stdout, stderr, status } = run(...command(root, 'status', '--x'));
    assert.deepEqual(JSON.parse(stdout), { part: 'src', args: ['status', '--x'], major });
    assert.deepEqual([stderr, status], ['', 7]);
    assert.equal(run(...command(root, 'die')).signal, 'SIGKILL');
  });

  test(`${name} passes SIGTERM on`, { skip }, async () => {
    const [node, args] = command(createCheckout(), 'wait');
    const child = spawn(node, args, { env: cleanEnvironment({}), stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    // The fixture prints before it listens for the signal.
    await new Promise(resolve => setTimeout(resolve, 100));
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [9, null]);
  });

  test(`${name} without another one says in one line what is needed`, { skip }, () => {
    const { stderr, status } = run(...command(createPackage('shale', ['src', 'dist'])));
    assert.deepEqual([status, stderr.split('\n').length], [1, 2]);
    assert.match(
      stderr,
      /^shale: needs Node\.js 24 or newer, and this is \d+\.\d+\.\d+; install .*nodejs\.org.*npm ci/,
    );
  });

  test(`${name} does not trust a bundled one that is old or broken`, { skip }, () => {
    for (const script of ['#!/bin/sh\necho v22.1.0\n', '#!/bin/sh\nexit 1\n', 'not a program']) {
      const root = createPackage('shale', ['src']);
      write(path.join(root, 'node_modules', 'node', 'bin', 'node'), script, 0o755);
      const { stderr, status } = run(...command(root));
      assert.deepEqual([status, stderr.split('\n').length], [1, 2], stderr);
      fs.rmSync(root, { recursive: true });
    }
  });
}

test('the compile cache lies in a directory of the user alone', () => {
  const root = createPackage('shale', ['src']);
  run(process.execPath, [bin(root)], { XDG_CACHE_HOME: path.join(directory, 'xdg') });
  run(process.execPath, [bin(root)]);
  for (const cache of ['xdg/shale/compile', '.cache/shale/compile']) {
    assert.equal(fs.statSync(path.join(directory, cache)).mode & 0o777, 0o700);
    assert.notEqual(fs.readdirSync(path.join(directory, cache)).length, 0, cache);
  }
});

test('a cache directory that others can write to, or that cannot be made, is not used and no failure', () => {
  const root = createPackage('shale', ['src']);
  const open = path.join(directory, 'open', 'shale', 'compile');
  fs.mkdirSync(open, { recursive: true });
  fs.chmodSync(open, 0o777);
  for (const cache of [path.join(directory, 'open'), '/dev/null/no']) {
    const { status, stderr } = run(process.execPath, [bin(root)], { XDG_CACHE_HOME: cache });
    assert.deepEqual([status, stderr], [0, '']);
  }
  assert.deepEqual(fs.readdirSync(open), []);
});
