import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Warnings } from '../../src/error/index.ts';
import { DirectoryTarget, readDirectory } from '../../src/render/directory/index.ts';
import { validateTree } from '../../src/tree/index.ts';
import { createScratch, needsLinux, needsRoot } from '../host/scratch.ts';
import { Maker } from './directory-tree.ts';

const child = fileURLToPath(new URL('directory-child.ts', import.meta.url));
const nobody = process.getuid?.() === 0 ? 65534 : process.getuid!();

function run(path: string, uid: number): { examples: { code: string; message: string }[]; names: string[] } {
  return JSON.parse(execFileSync(process.execPath, [child, path, String(uid)], { encoding: 'utf8' }));
}

function shared(path: string): void {
  chmodSync(path, 0o755);
  if (nobody !== process.getuid!()) chownSync(path, nobody, nobody);
}

test('without root everything comes that can, and one warning says what did not', {
  skip: needsLinux,
}, async () => {
  using scratch = createScratch();
  shared(scratch.path);
  const { examples, names } = run(scratch.at('out'), nobody);
  assert.equal(examples.length, 1);
  const [{ code, message }] = examples as [{ code: string; message: string }];
  assert.equal(code, 'privilege');
  for (const part of ['3 owners', '2 setuid or setgid bits', '2 devices', '1 xattr'])
    assert.ok(message.includes(part), message);
  assert.deepEqual(names, ['bin', 'dev', 'link', 'secret']);
  const mode = (name: string) => (lstatSync(scratch.at(`out/${name}`)).mode % 0o10000).toString(8);
  assert.deepEqual(['', 'bin', 'bin/su', 'bin/wall', 'bin/own', 'secret', 'dev'].map(mode), [
    '555',
    '555',
    '755',
    '755',
    '6755',
    '0',
    '755',
  ]);
  assert.deepEqual(readdirSync(scratch.at('out/dev')), ['log', 'pipe']);
  assert.equal(lstatSync(scratch.at('out/bin'), { bigint: true }).mtimeNs, 7_000_000_008n);
  assert.equal(lstatSync(scratch.at('out/bin/su')).uid, nobody);
});

test('in a parent that may not be written, an empty directory of the user is filled', {
  skip: needsRoot || needsLinux,
}, async () => {
  using scratch = createScratch();
  chmodSync(scratch.path, 0o755);
  mkdirSync(scratch.at('out'));
  const { ino } = statSync(scratch.at('out'));
  shared(scratch.at('out'));
  const { examples, names } = run(scratch.at('out'), nobody);
  assert.deepEqual(
    examples.map(({ code }) => code),
    ['privilege'],
  );
  assert.deepEqual(names, ['bin', 'dev', 'link', 'secret']);
  assert.equal(statSync(scratch.at('out')).ino, ino);
  assert.equal(statSync(scratch.at('out')).mode % 0o10000, 0o555);
  assert.equal(statSync(scratch.at('out/bin')).mode % 0o10000, 0o555);
  assert.equal(lstatSync(scratch.at('out'), { bigint: true }).mtimeNs, 1_000_000_002n);
});

async function reach(process: ChildProcess, point: string): Promise<void> {
  for await (const chunk of process.stdout!) if (String(chunk).includes(`reached ${point}`)) return;
  assert.fail(`the child never reached ${point}`);
}

for (const point of ['create', 'stage', 'assemble']) {
  test(`killed after ${point}, there is no target; asked to stop, nothing at all`, {
    skip: needsLinux,
  }, async () => {
    using scratch = createScratch();
    shared(scratch.path);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const running = spawn(process.execPath, [child, scratch.at('out'), String(nobody), point], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exit = once(running, 'exit');
      await reach(running, point);
      running.kill(signal);
      await exit;
      const left = readdirSync(scratch.path);
      if (signal === 'SIGTERM') assert.deepEqual(left, []);
      else assert.ok(left.length > 0 && left.every(name => name.startsWith('.out.')), String(left));
    }
    // and the litter is not in the way
    assert.equal(run(scratch.at('out'), nobody).names.length, 4);
  });
}

for (const [kind, mount] of [
  [
    'a mounted tmpfs',
    (path: string, _: string) => execFileSync('mount', ['-t', 'tmpfs', 'shale-test', path]),
  ],
  [
    'a bind mount of the same filesystem',
    (path: string, other: string) => execFileSync('mount', ['--bind', other, path]),
  ],
] as const) {
  test(`${kind} is filled, for it cannot be replaced`, { skip: needsRoot || needsLinux }, async () => {
    using scratch = createScratch();
    mkdirSync(scratch.at('out'));
    mkdirSync(scratch.at('other'));
    mount(scratch.at('out'), scratch.at('other'));
    try {
      const maker = new Maker();
      const root = maker.directory(
        { d: maker.directory({ f: maker.file('x') }, { mode: 0o500 }), l: maker.symlink('d') },
        { mode: 0o711, uid: 5, mtime: { seconds: 99, nanoseconds: 1 } },
      );
      {
        await using abandoned = await DirectoryTarget.create(scratch.at('out'), { warnings: new Warnings() });
        maker.stage(abandoned);
      }
      assert.deepEqual(readdirSync(scratch.at('out')), []);
      await using target = await DirectoryTarget.create(scratch.at('out'), {
        warnings: new Warnings({ strict: true }),
      });
      maker.stage(target);
      await target.assemble(validateTree(root));
      await target.commit();
      const tree = await readDirectory(scratch.at('out'));
      assert.deepEqual(
        tree.nodes.map(node => [node.path, node.inode.mode.toString(8), node.inode.uid]),
        [
          ['', '711', 5],
          ['d', '500', 0],
          ['d/f', '644', 0],
          ['l', '777', 0],
        ],
      );
      assert.deepEqual(tree.root.inode.mtime, { seconds: 99, nanoseconds: 1 });
    } finally {
      execFileSync('umount', [scratch.at('out')]);
    }
  });
}

test('the working directory is filled, not pulled away', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  const before = process.cwd();
  process.chdir(scratch.path);
  try {
    const maker = new Maker();
    const mine = { uid: process.geteuid!(), gid: process.getegid!() };
    await using target = await DirectoryTarget.create('.', { warnings: new Warnings() });
    maker.file('x');
    maker.stage(target);
    await target.assemble(validateTree(maker.directory({ e: maker.directory({}, mine) }, mine)));
    await target.commit();
    assert.deepEqual(readdirSync('.'), ['e']);
    assert.equal(realpathSync('.'), scratch.path);
  } finally {
    process.chdir(before);
  }
});

test('a working directory that fills up meanwhile is left as it is', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  const before = process.cwd();
  process.chdir(scratch.path);
  try {
    const maker = new Maker();
    {
      await using target = await DirectoryTarget.create('.', { warnings: new Warnings() });
      const mine = { uid: process.geteuid!(), gid: process.getegid!() };
      await target.assemble(validateTree(maker.directory({ evil: maker.directory({}, mine) }, mine)));
      mkdirSync('precious');
      await assert.rejects(target.commit(), { code: 'exists' });
    }
    assert.deepEqual(readdirSync('.'), ['precious']);
  } finally {
    process.chdir(before);
  }
});
