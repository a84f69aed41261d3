/** An ordinary user without a namespace, onto a plain directory: directories that deny even him change all the same. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Scratch } from '../../engine/scratch.ts';
import { listDirectory } from '../../model/disk.ts';
import { applyModel } from '../../model/model.ts';
import { readSeed } from '../../model/random.ts';
import { formatStack } from '../../model/record.ts';
import { requires } from '../../requirement.ts';
import { createStack, ownedBy } from './stacks.ts';

const seed = readSeed();
const rounds = Number(process.env.COUNT ?? 40);
const child = join(import.meta.dirname, 'user-child.ts');
const nobody = 65_534;

test(`tame stacks (SEED=${seed} COUNT=${rounds})`, {
  skip: requires({ root: true, tools: ['getfattr', 'setpriv'] }) || findObstacle(),
}, () => {
  using scratch = new Scratch();
  chmodSync(scratch.path, 0o755);
  const base = scratch.file('base');
  mkdirSync(base);
  chmodSync(base, 0o777);
  const user = ['--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups'];
  execFileSync('setpriv', [...user, process.execPath, child, base, `${seed}`, `${rounds}`]);
  for (let round = 0; round < rounds; round += 1) {
    const stack = ownedBy(nobody, createStack('tame-user', seed + round));
    const expected = applyModel(stack, { seconds: 0, nanoseconds: 0 });
    assert.ok(expected !== 'rejected');
    const listing = listDirectory(`${base}/${round}`, bytes => bytes.toString('latin1'));
    assert.deepEqual(listing, expected.listing, `SEED=${seed + round} COUNT=1\n${formatStack(stack)}\n`);
  }
});

/** Whether somebody else can read what he is to run. */
function findObstacle(): string | false {
  for (let path = child; path !== '/'; path = dirname(path)) {
    try {
      execFileSync('setpriv', [
        '--reuid',
        `${nobody}`,
        '--regid',
        `${nobody}`,
        '--clear-groups',
        'test',
        '-r',
        path,
      ]);
      accessSync(path, constants.R_OK);
    } catch {
      return 'other users cannot read this checkout';
    }
  }
  return false;
}
