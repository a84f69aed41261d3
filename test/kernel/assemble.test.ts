import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assembleInitramfs, installKernel, openKernel, openUmlKernel } from '../../src/kernel/index.ts';
import { stripModule } from '../../src/kernel/strip.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { kernelTree, makeModule, modules, writeTree } from './fixture.ts';

const skip = requires({ tools: ['cpio', 'lz4'] });

/** A cache with a kernel, and an init. */
async function prepare(scratch: ReturnType<typeof createScratch>, options: { config?: string } = {}) {
  writeTree(scratch.at('tree'), kernelTree(options));
  writeFileSync(scratch.at('init'), '\x7fELF…');
  const root = scratch.at('root');
  return { root, kernel: await installKernel({ root, from: scratch.at('tree') }), init: scratch.at('init') };
}

function extract(path: string, name: string): Buffer {
  return execFileSync('cpio', ['-i', '--to-stdout', '--quiet', name], {
    input: readFileSync(path),
    stdio: 'pipe',
  });
}

test('the initramfs has init, its modules in order, and places to mount on', { skip }, async () => {
  using scratch = createScratch();
  const { path, digest } = await assembleInitramfs({
    ...(await prepare(scratch)),
    modules: ['erofs', 'virtio_blk', 'ext4'],
  });
  const archive = readFileSync(path);
  assert.equal(digest, `sha256:${execFileSync('sha256sum', { input: archive }).toString().slice(0, 64)}`);
  const listed = execFileSync('cpio', ['-itv', '--quiet'], {
    input: archive,
    env: { ...process.env, LC_ALL: 'C' },
  });
  const lines = listed.toString().trim().split('\n');
  const names = lines.map(line => line.split(' ').at(-1)!);
  const order = ['crc32c_generic', 'libcrc32c', 'erofs', 'virtio', 'virtio_ring', 'virtio_blk'];
  const expected = ['dev', 'dev/console', 'init', 'lower', 'm', 'modules', 'proc', 'root', 'rw', 'sys'];
  assert.deepEqual([...names].sort(), [...expected, ...order.map(name => `m/${name}.ko`)].sort());
  assert.match(lines[names.indexOf('dev/console')]!, /^crw-------.* 5, +1 /);
  assert.match(lines[names.indexOf('init')]!, /^-rwxr-xr-x/);
  assert.equal(extract(path, 'modules').toString(), order.map(name => `/m/${name}.ko\n`).join(''));
  assert.deepEqual(extract(path, 'init'), readFileSync(scratch.at('init')));
  const virtio = stripModule(makeModule({ ...modules[0]!, signed: true }));
  assert.deepEqual(extract(path, 'm/virtio.ko'), virtio);
});

test('a kernel that insists on signatures gets its modules as they are', { skip }, async () => {
  using scratch = createScratch();
  const prepared = await prepare(scratch, { config: 'CONFIG_MODULE_SIG_FORCE=y\n' });
  const { path } = await assembleInitramfs({ ...prepared, modules: ['virtio'] });
  assert.deepEqual(extract(path, 'm/virtio.ko'), makeModule({ ...modules[0]!, signed: true }));
});

test('it is found again without reading a module, until something is another', { skip }, async () => {
  using scratch = createScratch();
  const { root, kernel, init } = await prepare(scratch);
  const wanted = { root, init, modules: ['virtio'] };
  const first = await assembleInitramfs({ ...wanted, kernel });
  const directory = join(root, 'kernels', kernel.name, 'modules');
  rmSync(directory, { recursive: true });
  for (const _ of [1, 2, 3]) {
    const start = performance.now();
    assert.deepEqual(await assembleInitramfs({ ...wanted, kernel: await openKernel({ root }) }), first);
    assert.ok(
      performance.now() - start < 100,
      'it takes less than a millisecond, on a machine that does nothing else',
    );
  }
  writeFileSync(init, 'another');
  await assert.rejects(assembleInitramfs({ ...wanted, kernel: await openKernel({ root }) }), {
    code: 'not-found',
  });
  await installKernel({ root, from: scratch.at('tree') });
  const kernelAgain = await openKernel({ root });
  const second = await assembleInitramfs({ ...wanted, kernel: kernelAgain });
  const third = await assembleInitramfs({ ...wanted, kernel: kernelAgain, modules: ['virtio_ring'] });
  const packed = await assembleInitramfs({ ...wanted, kernel: kernelAgain, compression: 'lz4' });
  assert.equal(new Set([first, second, third, packed].map(({ digest }) => digest)).size, 4);
  assert.equal(readFileSync(packed.path).length % 4096, 4);
  await assert.rejects(assembleInitramfs({ ...wanted, kernel: kernelAgain, modules: ['missing'] }), {
    code: 'unsupported',
  });
  await assert.rejects(assembleInitramfs({ ...wanted, kernel: kernelAgain, init: scratch.at('none') }), {
    code: 'not-found',
  });
});

test('the same from two places is the same bytes, and one that was lost is made again', {
  skip,
}, async () => {
  using scratch = createScratch();
  using other = createScratch();
  const one = await assembleInitramfs({ ...(await prepare(scratch)), modules: ['erofs'] });
  const two = await assembleInitramfs({ ...(await prepare(other)), modules: ['erofs'] });
  assert.equal(one.digest, two.digest);
  rmSync(one.path);
  const again = await assembleInitramfs({
    root: scratch.at('root'),
    kernel: await openKernel({ root: scratch.at('root') }),
    init: scratch.at('init'),
    modules: ['erofs'],
  });
  assert.deepEqual(again, one);
  assert.deepEqual(readFileSync(one.path), readFileSync(two.path));
});

test('old ones go when new ones come', { skip }, async () => {
  using scratch = createScratch();
  const prepared = await prepare(scratch);
  const first = await assembleInitramfs({ ...prepared, modules: [] });
  const directory = join(prepared.root, 'initramfs');
  for (let index = 0; index < 40; index++) {
    const name = index.toString(16).padStart(64, '0');
    writeFileSync(join(directory, name), 'x');
    symlinkSync(name, join(directory, `key-${name}`));
    utimesSync(join(directory, name), 1000 + index, 1000 + index);
  }
  writeFileSync(join(directory, '.left.shale-abcdef.tmp'), 'x');
  utimesSync(join(directory, '.left.shale-abcdef.tmp'), 1, 1);
  await assembleInitramfs({ ...prepared, modules: ['virtio'] });
  const names = readdirSync(directory);
  assert.equal(names.filter(name => !name.startsWith('key-')).length, 33);
  assert.equal(names.filter(name => name.startsWith('key-')).length, 33);
  assert.equal(names.filter(name => name.startsWith('.')).length, 0);
  assert.ok(names.includes(first.digest.slice(7)));
});

test('User-Mode Linux is a kernel too', { skip: skip || requires({ tools: ['linux.uml'] }) }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  writeFileSync(scratch.at('init'), 'init');
  const kernel = await openUmlKernel({ root });
  assert.equal(kernel.release, execFileSync('linux.uml', ['--version']).toString().trim());
  assert.deepEqual(
    await openUmlKernel({ root, kernel: 'linux.uml' }),
    await openUmlKernel({ kernel: 'linux.uml' }),
  );
  const { path } = await assembleInitramfs({
    root,
    kernel,
    init: scratch.at('init'),
    modules: ['squashfs', 'overlay'],
  });
  assert.match(extract(path, 'modules').toString(), /^\/m\/squashfs\.ko$/m);
  await assert.rejects(openUmlKernel({ kernel: 'no-such-program' }), {
    code: 'not-found',
    hint: /user-mode-linux/,
  });
  await assert.rejects(openUmlKernel({ kernel: 'true' }), { code: 'invalid' });
});
