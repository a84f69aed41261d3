import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { listMountsIn } from '../../src/host/index.ts';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const module = new URL('../../src/snapshot/mounting.ts', import.meta.url).href;

test('what a killed process had mounted for a moment is unmounted', {
  skip: requires({ mounts: ['tmpfs', 'overlay'] }),
}, async () => {
  using scratch = createScratch();
  const root = scratch.at('s');
  await using snapshots = await Snapshots.open(root, await drivers.overlayfs.open({ root }));
  // As if killed between mounting and unmounting.
  const script = `const { mountAll, scratchPrefix } = await import(${JSON.stringify(module)});
    const place = (await import('node:fs')).mkdtempSync(process.argv[1] + '/' + scratchPrefix);
    await mountAll([{ type: 'tmpfs', source: 'x', options: [] }], place);
    console.log('mounted');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await snapshots.cleanup();
  assert.equal(listMountsIn(root).length, 1, 'what a process that runs has mounted stays');
  child.kill('SIGKILL');
  await once(child, 'exit');
  await snapshots.cleanup();
  assert.deepEqual(listMountsIn(root), []);
  assert.deepEqual(
    readdirSync(root).filter(name => name.startsWith('mount-')),
    [],
  );
});
