/**
 * The class of CVE-2018-15664, CVE-2021-30465, CVE-2021-32803 and of every "zip slip": a symlink on the way of a write or a chmod leads
 * it out of the directory that is being filled. Here: symlinks of the image, and symlinks that another process slips in.
 */
import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { Warnings } from '../../src/error/index.ts';
import { Descent, removeTree } from '../../src/host/index.ts';
import { DirectoryTarget, readDirectory, readFileIn } from '../../src/render/directory/index.ts';
import { validateTree } from '../../src/tree/index.ts';
import { createScratch, needsLinux } from '../host/scratch.ts';
import { Maker } from '../render/directory-tree.ts';

const mine = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

/** A directory outside with one file, and a check that nothing about them changed. */
function createOutside(path: string): () => void {
  mkdirSync(path, 0o700);
  writeFileSync(`${path}/precious`, 'untouched', { mode: 0o600 });
  const state = () =>
    ['', '/precious'].map(name => {
      const { mode, uid, gid, mtimeNs, ctimeNs, nlink } = statSync(path + name, { bigint: true });
      return [name, mode, uid, gid, mtimeNs, ctimeNs, nlink];
    });
  const before = state();
  return () => {
    assert.deepEqual(readdirSync(path), ['precious']);
    assert.equal(readFileSync(`${path}/precious`, 'utf8'), 'untouched');
    assert.deepEqual(state(), before);
  };
}

test('symlinks of the image are made, hardlinked and given metadata, and never followed', async () => {
  using scratch = createScratch();
  const check = createOutside(scratch.at('outside'));
  const maker = new Maker();
  const outside = scratch.at('outside');
  const more = {
    ...mine,
    mode: 0o6777,
    mtime: { seconds: 77, nanoseconds: 0 },
    xattrs: new Map([['user.x', Buffer.from('1')]]),
  };
  const shared = maker.symlink(`${outside}/precious`, more);
  const root = maker.directory(
    {
      absolute: maker.symlink(outside, more),
      climbing: maker.symlink('../outside', more),
      file: maker.symlink(`${outside}/precious`, more),
      etc: maker.directory(
        { again: shared, z: maker.file('z', mine), up: maker.symlink('../../outside', more) },
        more,
      ),
      one: shared,
      self: maker.symlink('self', more),
      'precious ': maker.file('x', mine),
    },
    more,
  );
  {
    await using target = await DirectoryTarget.create(scratch.at('out'), { warnings: new Warnings() });
    maker.stage(target);
    await target.assemble(validateTree(root));
    await target.commit();
  }
  check();
  assert.equal(lstatSync(scratch.at('out/one')).nlink, 2);
  removeTree(scratch.at('out'));
  check();
});

test('a directory that turns into a symlink under our hands is an error, not a way out', {
  skip: needsLinux,
}, async () => {
  using scratch = createScratch();
  const check = createOutside(scratch.at('outside'));
  mkdirSync(scratch.at('in/a'), { recursive: true });
  mkdirSync(scratch.at('in/b'));
  writeFileSync(scratch.at('in/a/f'), 'f');
  const tree = await readDirectory(scratch.at('in'));
  assert.deepEqual(
    tree.nodes.map(({ path }) => path),
    ['', 'a', 'a/f', 'b'],
  );
  renameSync(scratch.at('in/a'), scratch.at('in/c'));
  symlinkSync('../outside', scratch.at('in/a'));
  symlinkSync('../outside/precious', scratch.at('in/s'));
  for (const path of ['a/precious', 's', 'c/f/x', 'c'])
    assert.throws(() => [...readFileIn(scratch.at('in'), path)], { code: 'conflict' }, path);
  {
    using descent = Descent.open(scratch.at('in'));
    assert.throws(() => descent.enter('a'), { code: 'ENOTDIR' });
    descent.enter('c');
    // what was entered stays what it was, whatever its name means now
    renameSync(scratch.at('in/c'), scratch.at('in/d'));
    symlinkSync('../outside', scratch.at('in/c'));
    writeFileSync(descent.at('new'), '');
    assert.deepEqual(readdirSync(scratch.at('in/d')).sort(), ['f', 'new']);
  }
  check();
});

test('a deep descent notices that its way back was moved elsewhere', { skip: needsLinux }, () => {
  using scratch = createScratch();
  const names = Array.from({ length: 60 }, (_, level) => `d${level}`);
  mkdirSync(scratch.at(names.join('/')), { recursive: true });
  mkdirSync(scratch.at('elsewhere'));
  using descent = Descent.open(scratch.path);
  for (const name of names) descent.enter(name);
  renameSync(scratch.at('d0/d1/d2'), scratch.at('elsewhere/d2'));
  assert.throws(
    () => {
      while (descent.depth > 0) descent.leave();
    },
    { code: 'conflict' },
  );
});

test('an emptied and swapped target does not redirect the commit', { skip: needsLinux }, async () => {
  using scratch = createScratch();
  const check = createOutside(scratch.at('outside'));
  for (const existed of [false, true]) {
    if (existed) mkdirSync(scratch.at('out'));
    const maker = new Maker();
    await using target = await DirectoryTarget.create(scratch.at('out'), { warnings: new Warnings() });
    await target.assemble(validateTree(maker.directory({ evil: maker.directory({}, mine) }, mine)));
    rmSync(scratch.at('out'), { recursive: true, force: true });
    symlinkSync('outside', scratch.at('out'));
    await assert.rejects(target.commit(), { code: 'exists' });
    rmSync(scratch.at('out'));
    await target[Symbol.asyncDispose]();
  }
  check();
  assert.deepEqual(readdirSync(scratch.path), ['outside']);
});
