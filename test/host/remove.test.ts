import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { mountBind, removeTree, unmount } from '../../src/host/index.ts';
import { requires } from '../requirement.ts';
import { createScratch } from './scratch.ts';

test('what is mounted in a tree is not removed with it', {
  skip: requires({ mounts: ['tmpfs'] }),
}, () => {
  using scratch = createScratch();
  for (const name of ['tree/a/b', 'theirs']) mkdirSync(scratch.at(name), { recursive: true });
  writeFileSync(scratch.at('theirs/file'), '');
  writeFileSync(scratch.at('tree/file'), '');
  mountBind(scratch.at('theirs'), scratch.at('tree/a/b'));
  try {
    for (const tree of ['tree', 'tree/a/b']) {
      assert.throws(() => removeTree(scratch.at(tree)), { code: 'conflict', message: /mounted at .*a\/b/ });
    }
  } finally {
    unmount(scratch.at('tree/a/b'));
  }
  assert.ok(existsSync(scratch.at('theirs/file')) && existsSync(scratch.at('tree/file')));
  removeTree(scratch.at('tree'));
  assert.ok(!existsSync(scratch.at('tree')));
});

test('what is mounted in a directory that is shown elsewhere is not seen in it', {
  skip: requires({ mounts: ['tmpfs'] }),
}, () => {
  using scratch = createScratch();
  const at = (name: string) => scratch.at(`shared/${name}`);
  mkdirSync(scratch.at('shared'));
  execFileSync('mount', ['-t', 'tmpfs', 'shared', scratch.at('shared')]);
  try {
    execFileSync('mount', ['--make-shared', scratch.at('shared')]);
    for (const name of ['place/in', 'shown', 'theirs/file']) mkdirSync(at(name), { recursive: true });
    mountBind(at('place'), at('shown'));
    execFileSync('mount', ['--bind', at('theirs'), at('shown/in')]);
    assert.deepEqual([readdirSync(at('shown/in')), readdirSync(at('place/in'))], [['file'], []]);
  } finally {
    unmount(scratch.at('shared'), { lazily: true });
  }
});

test('two processes may remove the same tree', async () => {
  using scratch = createScratch();
  const module = new URL('../../src/host/index.ts', import.meta.url).href;
  const tree = scratch.at('tree');
  for (let round = 0; round < 3; round += 1) {
    for (let count = 0; count < 1500; count += 1) mkdirSync(`${tree}/${count}/in`, { recursive: true });
    const at = Date.now() + 1500;
    const script = `const { removeTree } = await import(${JSON.stringify(module)});
      while (Date.now() < ${at});
      removeTree(${JSON.stringify(tree)});`;
    const children = [1, 2].map(() =>
      spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'pipe'] }),
    );
    const said = children.map(child => child.stderr!.setEncoding('utf8').toArray());
    const ends = await Promise.all(children.map(child => once(child, 'exit')));
    assert.deepEqual(
      ends,
      [
        [0, null],
        [0, null],
      ],
      (await Promise.all(said)).flat().join(''),
    );
    assert.ok(!existsSync(tree));
  }
});
