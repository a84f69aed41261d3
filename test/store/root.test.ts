/** Who makes a cache's root first, and what is none. */
import assert from 'node:assert/strict';
import fs, { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { Layout } from '../../src/store/layout.ts';
import { createRoot } from '../../src/store/root.ts';
import { createScratch } from '../host/scratch.ts';

/** Calls `work` with `other` before the call of that number which it makes of the filesystem; false if it makes fewer. */
function meanwhile(number: number, other: () => void, work: () => void): boolean {
  let calls = 0;
  for (const name of ['lstatSync', 'mkdirSync', 'readdirSync', 'chmodSync'] as const) {
    const real = fs[name] as (...given: unknown[]) => unknown;
    mock.method(fs, name, (...given: unknown[]) => {
      if (calls++ === number) other();
      return real(...given);
    });
  }
  syncBuiltinESMExports();
  try {
    work();
  } finally {
    mock.restoreAll();
    syncBuiltinESMExports();
  }
  return calls > number;
}

test('a root that another process makes just then, at whatever moment, is a cache', () => {
  using scratch = createScratch();
  let moment = 0;
  for (; ; moment++) {
    const layout = new Layout(join(scratch.path, String(moment), 'root'));
    // In the order in which a cache is made.
    const other = () => {
      for (const path of [layout.leases, layout.blobs]) mkdirSync(path, { recursive: true });
    };
    if (!meanwhile(moment, other, () => createRoot(layout))) break;
  }
  assert.ok(moment > 5, `${moment} moments`);
});

test('a directory with anything else in it is refused, and left as it is', () => {
  using scratch = createScratch();
  mkdirSync(scratch.at('full'), { mode: 0o755 });
  writeFileSync(scratch.at('full/letter'), '');
  assert.throws(() => createRoot(new Layout(scratch.at('full'))), {
    code: 'invalid',
    message: /is not empty, and is no cache of Shale's$/,
  });
  assert.equal(statSync(scratch.at('full')).mode & 0o777, 0o755);
  createRoot(new Layout(scratch.at('new/root')));
  assert.equal(statSync(scratch.at('new/root')).mode & 0o777, 0o700);
});
