import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  installKernel,
  type KernelFiles,
  type KernelProgress,
  listKernels,
  openKernel,
  removeKernel,
  setDefaultKernel,
} from '../../src/kernel/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import {
  kernelTree,
  makeBzImage,
  makeDeb,
  makeModule,
  makeVmlinux,
  modules,
  pipe,
  release,
  writeTree,
} from './fixture.ts';

const skip = requires({ tools: ['dpkg-deb', 'lz4'] });
const name = `linux-image-${release}`;

test('a package of any compression becomes a kernel', { skip }, async () => {
  using scratch = createScratch();
  for (const compression of ['xz', 'gzip', 'zstd', 'none']) {
    const root = scratch.at(`root-${compression}`);
    const steps = new Set<KernelProgress['step']>();
    const from = makeDeb(scratch.path, kernelTree(), { compression });
    const kernel = await installKernel({ root, from, onProgress: ({ step }) => steps.add(step) });
    assert.deepEqual([...steps], ['unpack', 'extract', 'commit']);
    assert.deepEqual([kernel.name, kernel.release, kernel.pvh], [name, release, true]);
    assert.ok(readFileSync(kernel.vmlinux!).equals(makeVmlinux(release)));
    assert.ok(readFileSync(kernel.bzImage!).equals(kernelTree().get(`boot/vmlinuz-${release}`)!));
    assert.equal(kernel.modules.signed, false);
    assert.deepEqual(await openKernel({ root }), kernel);
    assert.deepEqual(await openKernel({ root, kernel: name }), kernel);
    const [listed] = await listKernels(root);
    assert.deepEqual([listed!.name, listed!.modules, listed!.isDefault], [name, modules.length, true]);
    assert.deepEqual(readdirSync(join(root, 'kernels')).sort(), ['.lock', name]);
    assert.equal(statSync(join(root, 'kernels', name)).mode % 0o1000, 0o700);
  }
});

test('modules come in the order in which they can be loaded', { skip }, async () => {
  using scratch = createScratch();
  const kernel = await installKernel({ root: scratch.at('root'), from: makeDeb(scratch.path, kernelTree()) });
  const order = async (...names: string[]) =>
    (await kernel.modules.resolve(names)).map(module => module.name);
  assert.deepEqual(await order('virtio-blk', 'virtio'), ['virtio', 'virtio_ring', 'virtio_blk']);
  assert.deepEqual(await order('ext4', 'sha256_generic'), []);
  assert.deepEqual(await order('erofs'), ['crc32c_generic', 'libcrc32c', 'erofs']);
  assert.equal(kernel.modules.find('ext4'), 'builtin');
  assert.equal(kernel.modules.find('virtio-blk'), 'file');
  assert.equal(kernel.modules.find('btrfs'), undefined);
  assert.ok(
    (await kernel.modules.resolve(['virtio']))[0]!.bytes.length ===
      makeModule({ name: 'virtio', signed: true }).length,
  );
  await assert.rejects(order('virtio', 'btrfs'), {
    code: 'unsupported',
    message: `the kernel ${name} has no module btrfs`,
    hint: /--kernel/,
  });
  await assert.rejects(order('broken'), { message: /no module nothere, which broken needs/ });
  await assert.rejects(order('round'), { code: 'corrupt', message: /circle/ });
});

test('a package is installed once; another one of its name replaces it', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const first = makeDeb(scratch.path, kernelTree());
  await installKernel({ root, from: first });
  const inode = () => statSync(join(root, 'kernels', name)).ino;
  const before = inode();
  const steps: string[] = [];
  await installKernel({ root, from: first, onProgress: ({ step }) => steps.push(step) });
  assert.deepEqual([inode(), steps], [before, []]);
  const image = makeBzImage(makeVmlinux(release), 'zstd');
  const second = makeDeb(scratch.path, kernelTree({ image, config: 'CONFIG_MODULE_SIG_FORCE=y\n' }), {
    version: '2',
  });
  const kernel = await installKernel({ root, from: second });
  assert.notEqual(inode(), before);
  assert.ok(readFileSync(kernel.bzImage!).equals(image));
  assert.equal(kernel.modules.signed, true);
  assert.deepEqual(readdirSync(join(root, 'kernels')).sort(), ['.lock', name]);
});

test('two installations at once give one kernel', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const from = makeDeb(scratch.path, kernelTree());
  const steps: string[] = [];
  const onProgress = ({ step }: KernelProgress) => steps.push(step);
  const [one, two] = await Promise.all([
    installKernel({ root, from, onProgress }),
    installKernel({ root, from, onProgress }),
  ]);
  assert.deepEqual(one, two);
  assert.equal(steps.filter(step => step === 'commit').length, 1);
});

test('an installation that fails or is aborted leaves nothing; what a killed one left is taken away', {
  skip,
}, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const good = makeDeb(scratch.path, kernelTree());
  const bytes = readFileSync(good);
  writeFileSync(scratch.at('cut.deb'), bytes.subarray(0, bytes.length / 2));
  const damaged = Buffer.from(bytes);
  damaged.fill(0, bytes.length - 1000, bytes.length - 900);
  writeFileSync(scratch.at('damaged.deb'), damaged);
  writeFileSync(scratch.at('text.deb'), 'hello');
  const noKernel = makeDeb(scratch.path, new Map([['boot/readme', Buffer.from('x')]]), { name: 'x' });
  const bad: readonly (readonly [string, string])[] = [
    [scratch.at('cut.deb'), 'corrupt'],
    [scratch.at('damaged.deb'), 'corrupt'],
    [scratch.at('text.deb'), 'corrupt'],
    [noKernel, 'invalid'],
  ];
  for (const [from, code] of bad) {
    await assert.rejects(installKernel({ root, from }), (error: { code: string; hint?: string }) => {
      assert.equal(error.code, code, `${from}: ${error}`);
      return error.hint !== undefined;
    });
    assert.deepEqual(readdirSync(join(root, 'kernels')), ['.lock']);
  }
  const controller = new AbortController();
  const onProgress = ({ step }: KernelProgress) => step === 'extract' && controller.abort();
  await assert.rejects(installKernel({ root, from: good, onProgress, signal: controller.signal }), {
    code: 'cancelled',
  });
  assert.deepEqual(readdirSync(join(root, 'kernels')), ['.lock']);
  mkdirSync(join(root, 'kernels', '.kernel.shale-abc123', 'modules'), { recursive: true });
  await installKernel({ root, from: good });
  assert.deepEqual(readdirSync(join(root, 'kernels')).sort(), ['.lock', name]);
});

test('kernels are chosen, and removed', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  await assert.rejects(openKernel({ root }), { code: 'not-found', hint: /shale zone kernel install/ });
  assert.deepEqual(await listKernels(root), []);
  const from = makeDeb(scratch.path, kernelTree());
  await installKernel({ root, from, name: 'one' });
  await installKernel({ root, from, name: 'two' });
  assert.equal((await openKernel({ root })).name, 'two');
  await setDefaultKernel(root, 'one');
  assert.equal((await openKernel({ root })).name, 'one');
  assert.deepEqual(
    (await listKernels(root)).map(({ name, isDefault }) => [name, isDefault]),
    [
      ['one', true],
      ['two', false],
    ],
  );
  await removeKernel(root, 'one');
  assert.equal((await openKernel({ root })).name, 'two');
  assert.deepEqual(readdirSync(join(root, 'kernels')).sort(), ['.lock', 'two']);
  for (const missing of ['one', 'three']) {
    await assert.rejects(removeKernel(root, missing), { code: 'not-found' });
    await assert.rejects(setDefaultKernel(root, missing), { code: 'not-found' });
    await assert.rejects(openKernel({ root, kernel: missing }), { code: 'not-found' });
  }
  for (const evil of ['..', '../kernels', '.lock', '', 'a/b']) {
    await assert.rejects(removeKernel(root, evil), { code: 'invalid' });
  }
  writeFileSync(join(root, 'kernels', 'two', 'kernel.json'), '{');
  assert.deepEqual(await listKernels(root), []);
  await assert.rejects(openKernel({ root, kernel: 'two' }), { code: 'corrupt' });
});

test('a directory with what is in a package', { skip }, async () => {
  using scratch = createScratch();
  writeTree(scratch.at('tree'), kernelTree());
  const kernel = await installKernel({ root: scratch.at('root'), from: scratch.at('tree') });
  assert.equal(kernel.name, `linux-${release}`);
  assert.equal((await kernel.modules.resolve(['erofs'])).length, 3);
  writeTree(scratch.at('tree'), new Map([['boot/vmlinuz-other', makeBzImage(makeVmlinux('1'), 'gzip')]]));
  await assert.rejects(installKernel({ root: scratch.at('root'), from: scratch.at('tree') }), {
    code: 'invalid',
    message: /more than one kernel/,
  });
  mkdirSync(scratch.at('empty'));
  await assert.rejects(installKernel({ root: scratch.at('root'), from: scratch.at('empty') }), {
    code: 'invalid',
  });
});

test('a file is opened as it is, with the modules beside it', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  writeTree(scratch.at('tree'), kernelTree());
  const path = scratch.at(`tree/boot/vmlinuz-${release}`);
  const kernel = await openKernel({ root, kernel: path });
  assert.deepEqual([kernel.name, kernel.release, kernel.pvh, kernel.bzImage], [path, release, true, path]);
  assert.ok(readFileSync(kernel.vmlinux!).equals(makeVmlinux(release)));
  assert.equal((await kernel.modules.resolve(['virtio_blk'])).length, 3);
  assert.deepEqual(await openKernel({ root, kernel: path }), kernel);
  // Another file of that name is another kernel.
  writeFileSync(path, makeBzImage(makeVmlinux('7.0-new', { pvh: false }), 'gzip', { banner: '7.0-new' }));
  const other = await openKernel({ root, kernel: path });
  assert.deepEqual([other.release, other.pvh, other.modules.identity], ['7.0-new', false, 'none']);
  assert.notEqual(other.digest, kernel.digest);
  assert.deepEqual(await other.modules.resolve(['anything']), []);
  writeFileSync(scratch.at('vmlinux'), makeVmlinux(release));
  const elf = await openKernel({ root, kernel: scratch.at('vmlinux') });
  assert.deepEqual([elf.release, elf.vmlinux, elf.bzImage], [release, scratch.at('vmlinux'), undefined]);
  const installed = await installKernel({ root, from: scratch.at('vmlinux') });
  assert.deepEqual([installed.name, installed.digest], [`linux-${release}`, elf.digest]);
});

test('files that are no kernels for this machine are refused', async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const arm = Buffer.alloc(4096);
  arm.write('ARM\x64', 56, 'latin1');
  const cases: readonly (readonly [Buffer, string, RegExp])[] = [
    [Buffer.from('hello'), 'invalid', /no kernel/],
    [arm, 'unsupported', /arm64/],
    [makeVmlinux(release, { machine: 183 }), 'unsupported', /arm64/],
    [makeModule({ name: 'x' }), 'invalid', /does not say its version/],
  ];
  for (const [bytes, code, message] of cases) {
    writeFileSync(scratch.at('file'), bytes);
    await assert.rejects(openKernel({ root, kernel: scratch.at('file') }), {
      name: 'KernelError',
      code,
      message,
    });
    await assert.rejects(installKernel({ root, from: scratch.at('file') }), { name: 'KernelError', code });
  }
  await assert.rejects(installKernel({ root, from: '/dev/zero' }), { code: 'invalid' });
  await assert.rejects(openKernel({ root, kernel: scratch.at('nowhere') }), { code: 'not-found' });
  await assert.rejects(installKernel({ root, from: scratch.at('nowhere') }), { code: 'not-found' });
});

test('an OCI image that carries a kernel', {
  skip: skip || requires({ tools: ['mksquashfs', 'gzip'] }),
}, async () => {
  using scratch = createScratch();
  const tree = new Map(
    [...kernelTree()].flatMap(([path, bytes]) => {
      const below = /^lib\/modules\/[^/]+\/(.*)$/.exec(path)?.[1];
      return below === undefined ? [] : [[`modules/${below}`, bytes] as const];
    }),
  );
  writeTree(scratch.at('addons'), tree);
  execFileSync('mksquashfs', [scratch.at('addons'), scratch.at('addons.squashfs'), '-quiet', '-no-progress']);
  const files = new Map<string, Buffer>([
    ['kernel/image', makeBzImage(makeVmlinux(release), 'gzip')],
    ['kernel/metadata', Buffer.from('KERNEL_ARCH=x86_64\nKERNEL_VERSION=6.1\nKERNEL_FLAVOR=zone\n')],
    ['kernel/config.gz', pipe('gzip', ['-c'], Buffer.from('CONFIG_MODULES=y\n'))],
    ['kernel/addons.squashfs', readFileSync(scratch.at('addons.squashfs'))],
  ]);
  const source: KernelFiles = {
    place: 'example/kernel:1',
    digest: `sha256:${'0'.repeat(64)}`,
    read(path) {
      const bytes = files.get(path);
      if (bytes === undefined) return undefined;
      return (async function* () {
        for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
      })();
    },
  };
  const root = scratch.at('root');
  const kernel = await installKernel({ root, source });
  assert.deepEqual([kernel.name, kernel.release, kernel.modules.signed], ['linux-6.1-zone', release, false]);
  assert.deepEqual(
    (await kernel.modules.resolve(['erofs'])).map(({ name }) => name),
    ['crc32c_generic', 'libcrc32c', 'erofs'],
  );
  assert.equal(existsSync(join(root, 'kernels', 'linux-6.1-zone', 'addons')), false);
  files.clear();
  assert.equal((await installKernel({ root, source })).name, 'linux-6.1-zone', 'it is there already');
  await assert.rejects(installKernel({ root, source: { ...source, digest: undefined } }), {
    code: 'invalid',
    message: /carries no kernel/,
  });
  files
    .set('kernel/image', makeVmlinux(release))
    .set('kernel/metadata', Buffer.from('KERNEL_ARCH=aarch64\n'));
  await assert.rejects(installKernel({ root, source: { ...source, digest: undefined } }), {
    code: 'unsupported',
  });
});
