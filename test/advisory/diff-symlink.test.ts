/**
 * A directory of which a layer is made has symlinks out of it, or gets them while it is read: then a layer would carry files of the host to wherever it is pushed.
 * CVE-2018-15664 (docker cp), CVE-2024-1753's class. No symlink is followed in either directory, nor in what is below.
 */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { setXattr } from '../../src/host/index.ts';
import { readUpper } from '../../src/layer/index.ts';
import { createScratch, needsLinux, needsRoot } from '../host/scratch.ts';
import { recordsOf } from '../layer/diff/records.ts';
import { createOutside, forms, readBack } from './outside.ts';
import { startRace } from './race.ts';

test('symlinks that are there', async () => {
  using scratch = createScratch();
  const check = createOutside(scratch.at('outside'));
  mkdirSync(scratch.at('root/d'), { recursive: true });
  mkdirSync(scratch.at('lower'));
  symlinkSync(scratch.at('outside'), scratch.at('root/s'));
  symlinkSync('../../outside/precious', scratch.at('root/d/p'));
  symlinkSync('../outside', scratch.at('lower/d'));
  symlinkSync('../outside', scratch.at('lower/s'));
  for (const form of forms) {
    await readBack(scratch.at('root'), form, scratch.at(`${form}-1`));
    if (form !== 'plain')
      await readBack(scratch.at('root'), form, scratch.at(`${form}-2`), scratch.at('lower'));
  }
  check();
});

test('a file without content of its own whose redirect leads out', { skip: needsRoot }, async () => {
  using scratch = createScratch();
  const check = createOutside(scratch.at('outside'));
  mkdirSync(scratch.at('lower/real'), { recursive: true });
  symlinkSync(scratch.at('outside'), scratch.at('lower/s'));
  symlinkSync('../outside/precious', scratch.at('lower/p'));
  mkdirSync(scratch.at('root'));
  for (const [index, redirect] of [
    '/s/precious',
    '../../outside/precious',
    '/../../outside/precious',
    '/p',
    'p',
  ].entries()) {
    const path = scratch.at(`root/f${index}`);
    writeFileSync(path, 'x'.repeat('untouched secret'.length));
    setXattr(path, 'trusted.overlay.metacopy', new Uint8Array());
    setXattr(path, 'trusted.overlay.redirect', Buffer.from(redirect));
    const changes = readUpper({ path: scratch.at('root'), form: 'overlay', lower: scratch.at('lower') });
    await assert.rejects(recordsOf(changes, scratch.at('layer')), ShaleError, redirect);
  }
  check();
});

for (const form of forms) {
  test(`a race: ${form}`, { skip: needsLinux }, async () => {
    using scratch = createScratch();
    const check = createOutside(scratch.at('outside'));
    const root = scratch.at('root');
    mkdirSync(`${root}/d/deep/er`, { recursive: true });
    for (const name of ['precious', 'deep/file', 'deep/er/file'])
      writeFileSync(`${root}/d/${name}`, 'inside, not out');
    symlinkSync('../outside', `${root}/s`);
    writeFileSync(`${root}/precious`, 'inside, not out');
    await using _race = await startRace(`${root}/d`, `${root}/s`);
    let read = 0;
    const end = Date.now() + 1000;
    while (Date.now() < end) {
      try {
        await readBack(root, form, scratch.at(`layer-${read}`), form === 'plain' ? undefined : root);
        read += 1;
      } catch (error) {
        if (!(error instanceof ShaleError)) throw error;
      }
    }
    check();
    assert.ok(read > 0, 'nothing was ever read');
  });
}
