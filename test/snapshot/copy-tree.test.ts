import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { Descent, pathBytes } from '../../src/host/index.ts';
import { copyTree } from '../../src/snapshot/driver/copy-tree.ts';
import { createScratch } from '../host/scratch.ts';

test('a copy has the holes of what it is a copy of', async () => {
  using scratch = createScratch();
  for (const name of ['from', 'to']) mkdirSync(scratch.at(name));
  const write = (name: string, size: number, data: readonly number[]) => {
    const fd = openSync(scratch.at(`from/${name}`), 'w');
    for (const at of data) writeSync(fd, `data at ${at}`, at);
    ftruncateSync(fd, size);
    closeSync(fd);
  };
  write('hole', 2 ** 40, []);
  write('ends', 3_000_000_000, [0, 2 ** 31 + 12_345, 2_999_999_980]);
  write('small', 100_000, [50_000]);
  write('full', 20, [0]);
  await copyTree(scratch.at('from'), scratch.at('to'));
  for (const name of ['hole', 'ends', 'small', 'full']) {
    const [from, to] = ['from', 'to'].map(tree => statSync(scratch.at(`${tree}/${name}`)));
    assert.equal(to!.size, from!.size);
    assert.ok(to!.blocks <= from!.blocks + 8, `${name}: ${to!.blocks} blocks of ${from!.blocks}`);
  }
  execFileSync('cmp', [scratch.at('from/ends'), scratch.at('to/ends')]);
  for (const name of ['small', 'full']) {
    assert.deepEqual(readFileSync(scratch.at(`to/${name}`)), readFileSync(scratch.at(`from/${name}`)));
  }
});

test('hardlinks are copied as such at any depth', async () => {
  using scratch = createScratch();
  for (const name of ['from', 'to']) mkdirSync(scratch.at(name));
  const step = 'd'.repeat(200);
  const script = `for i in $(seq 30); do mkdir ${step} && cd -P ${step}; done; echo deep > one && ln one two`;
  execFileSync('sh', ['-euc', script], { cwd: scratch.at('from') });
  await copyTree(scratch.at('from'), scratch.at('to'));
  using descent = Descent.open(scratch.at('to'));
  for (let depth = 0; depth < 30; depth += 1) descent.enter(step);
  const [one, two] = ['one', 'two'].map(name => statSync(pathBytes(descent.at(name))));
  assert.equal(one!.ino, two!.ino);
});
