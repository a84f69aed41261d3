import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  attachLoop,
  detachLoop,
  findLoops,
  HostError,
  mountFilesystem,
  unmount,
} from '../../src/host/index.ts';
import { requires } from '../requirement.ts';
import { createScratch } from './scratch.ts';

const skip = requires({ tools: ['losetup', 'mksquashfs'], mounts: ['squashfs'] });

/** What losetup(8) says of a device: flags and the file. */
function judge(device: string): { ro: boolean; autoclear: boolean; file: string } | undefined {
  const columns = ['--list', '--noheadings', '--raw', '--output', 'RO,AUTOCLEAR,BACK-FILE', device];
  const { status, stdout } = spawnSync('losetup', columns, { encoding: 'utf8' });
  const [ro, autoclear, ...file] = stdout.trim().split(' ');
  return status === 0 && file.length > 0
    ? { ro: ro === '1', autoclear: autoclear === '1', file: file.join(' ') }
    : undefined;
}

/** The kernel takes a device away in its own time. */
async function isGone(device: string): Promise<boolean> {
  for (let wait = 0; wait < 200; wait += 1) {
    if (judge(device) === undefined) return true;
    await setTimeout(10);
  }
  return false;
}

test('a file is a block device while the handle is held, and no longer', { skip }, async () => {
  using scratch = createScratch();
  const file = scratch.at('backing');
  writeFileSync(file, Buffer.alloc(8192, 'what is in it, '));
  let path: string;
  {
    using device = await attachLoop(file);
    path = device.path;
    assert.deepEqual(judge(path), { ro: true, autoclear: true, file });
    assert.deepEqual(readFileSync(path), readFileSync(file));
    assert.deepEqual(findLoops(file), [path]);
    renameSync(file, scratch.at('another name'));
    assert.deepEqual(findLoops(scratch.at('another name')), [path]);
  }
  assert.ok(await isGone(path));
  assert.deepEqual(findLoops(scratch.at('another name')), []);
});

test('what is mounted keeps its device, until it is unmounted', { skip }, async () => {
  using scratch = createScratch();
  for (const name of ['source', 'mounted']) mkdirSync(scratch.at(name));
  writeFileSync(scratch.at('source/file'), 'content');
  execFileSync('mksquashfs', [scratch.at('source'), scratch.at('image'), '-quiet', '-no-progress'], {
    stdio: 'ignore',
  });
  {
    using device = await attachLoop(scratch.at('image'));
    mountFilesystem('squashfs', scratch.at('mounted'), [['source', device.path]]);
  }
  const [path] = findLoops(scratch.at('image'));
  try {
    assert.equal(readFileSync(scratch.at('mounted/file'), 'utf8'), 'content');
  } finally {
    unmount(scratch.at('mounted'));
  }
  assert.ok(await isGone(path!));
});

test('a device that may be written to changes its file', { skip }, async () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('file'), Buffer.alloc(4096));
  {
    using device = await attachLoop(scratch.at('file'), { access: 'read-write' });
    assert.equal(judge(device.path)?.ro, false);
    execFileSync('dd', [`of=${device.path}`, 'bs=4096', 'conv=fsync', 'status=none'], {
      input: Buffer.alloc(4096, 'x'),
    });
  }
  assert.deepEqual(readFileSync(scratch.at('file')), Buffer.alloc(4096, 'x'));
});

test('many who attach at once get a device each', { skip }, async () => {
  using scratch = createScratch();
  const count = 12;
  const program = `
    import { attachLoop } from ${JSON.stringify(new URL('../../src/host/index.ts', import.meta.url).href)};
    const devices = await Promise.all([1, 2, 3].map(() => attachLoop(${JSON.stringify(scratch.at('file'))})));
    process.stdout.write(devices.map(({ path }) => path).join(' '));
    process.stdin.once('data', () => process.exit());
  `;
  writeFileSync(scratch.at('file'), Buffer.alloc(4096));
  writeFileSync(scratch.at('attach.mjs'), program);
  const children = Array.from({ length: count / 3 }, () =>
    spawn(process.execPath, [scratch.at('attach.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const paths = await Promise.all(
    children.map(
      child => new Promise<string>(resolve => child.stdout.once('data', data => resolve(`${data}`))),
    ),
  );
  const all = paths.flatMap(text => text.split(' '));
  assert.equal(new Set(all).size, count);
  assert.deepEqual(new Set(findLoops(scratch.at('file'))), new Set(all));
  // However they end: the devices go with them.
  for (const child of children) child.kill('SIGKILL');
  for (const path of all) assert.ok(await isGone(path), path);
});

test('a device is detached by its path, one without a file too', { skip }, async () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('file'), Buffer.alloc(4096));
  const path = execFileSync('losetup', ['--find', '--show', scratch.at('file')], { encoding: 'utf8' }).trim();
  assert.deepEqual(findLoops(scratch.at('file')), [path]);
  detachLoop(path);
  assert.ok(await isGone(path));
  detachLoop(path);
});

test('what cannot be attached says so', { skip }, async () => {
  using scratch = createScratch();
  mkdirSync(scratch.at('directory'));
  const fails = (file: string, code: string) =>
    assert.rejects(
      attachLoop(scratch.at(file)),
      error => error instanceof Error && 'code' in error && error.code === code,
    );
  await fails('nothing', 'not-found');
  await assert.rejects(attachLoop(scratch.at('directory')), HostError);
});
