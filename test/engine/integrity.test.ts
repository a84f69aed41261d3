/** Hash trees and seals of what is rendered. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { checkCache } from '../../src/engine/cache/index.ts';
import type { IntegrityRequest } from '../../src/engine/integrity/index.ts';
import { pull } from '../../src/engine/pull.ts';
import { render } from '../../src/engine/render.ts';
import { renderStack, type StackFile, type StackResult } from '../../src/engine/stack/index.ts';
import { filesOf } from '../../src/engine/stack/manifest.ts';
import { verify } from '../../src/engine/verify/index.ts';
import { verifyRootHash } from '../../src/engine/verify/root-hash.ts';
import type { ShaleError } from '../../src/error/index.ts';
import { layer, sample, shale, writeImage } from '../cli/fixture.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { noise, noisyImage } from '../registry/image.ts';
import { requires } from '../requirement.ts';
import { Scratch } from './scratch.ts';

const judges = requires({ tools: ['veritysetup', 'fsverity'] });

/** The sample, and enough noise for a tree of more than one block. */
const layers = () => [...sample(), layer({ noise: { content: noise(700_000) } })];

function judge(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' });
}

interface Hashes {
  readonly path: string;
  readonly rootHash?: string;
  readonly hashFile?: string;
  readonly hashOffset?: number;
  readonly fsverity?: string;
}

/** By programs that are not ours. */
function checkHashes({ path, rootHash, hashFile, hashOffset, fsverity }: Hashes): void {
  const place = hashOffset === 0 ? [] : [`--hash-offset=${hashOffset}`];
  judge('veritysetup', 'verify', path, hashFile!, rootHash!, ...place);
  assert.match(judge('fsverity', 'digest', path), new RegExp(`^${fsverity} `));
}

for (const hashTree of ['append', 'beside'] as const) {
  test(`${hashTree}: other programs accept the trees, at any width`, { skip: judges }, async () => {
    using scratch = new Scratch();
    const source = await writeImage(scratch.file('layout'), layers());
    const formats = ['squashfs', 'erofs', 'tar'] as const;
    const outputsIn = (directory: string) =>
      formats.map(format => ({ format, path: path.join(scratch.directory(directory), `${format}.out`) }));
    const make = async (directory: string, request: IntegrityRequest, jobs: number) => {
      const { outputs } = await render(source, outputsIn(directory), { ...request, jobs });
      return outputs;
    };
    const plain = await make('plain', {}, 2);
    const one = await make('one', { hashTree }, 1);
    const four = await make('four', { hashTree }, 4);
    for (const [index, output] of one.entries()) {
      const { path: file, format, bytes, rootHash, dataBlocks, hashFile, hashOffset } = output;
      const data = readFileSync(plain[index]!.path);
      const whole = readFileSync(file);
      assert.equal(bytes, whole.length);
      assert.deepEqual(whole, readFileSync(four[index]!.path));
      assert.ok(whole.subarray(0, data.length).equals(data), 'the data is as without a tree');
      if (format === 'tar') {
        assert.deepEqual([rootHash, whole.length], [undefined, data.length], 'a tar has none');
        continue;
      }
      assert.equal(dataBlocks, data.length / 4096);
      assert.deepEqual(
        [hashFile, hashOffset],
        hashTree === 'append' ? [file, data.length] : [`${file}.verity`, 0],
      );
      assert.equal(rootHash, four[index]!.rootHash);
      checkHashes(output);
      assert.equal((await verify(source, file)).differenceCount, 0, 'a tree is in nobody’s way');
    }
    const names = ['erofs.out', 'squashfs.out', 'tar.out'];
    const trees = hashTree === 'append' ? [] : ['erofs.out.verity', 'squashfs.out.verity'];
    assert.deepEqual(readdirSync(scratch.file('one')).sort(), [...names, ...trees].sort());
    // Again, in place of what is there.
    const again = await make('one', { hashTree }, 2);
    assert.deepEqual(again, one);
  });
}

test('out of the cache the hashes are the same', async () => {
  using scratch = new Scratch();
  await using registry = await startFakeRegistry();
  registry.put('app:1', noisyImage([1, 2]));
  const source = `${registry.host}/app:1`;
  const root = scratch.file('root');
  const { artifact } = await pull(source, { root });
  const before = readFileSync(artifact!.path);
  for (const hashTree of ['append', 'beside'] as const) {
    const [fresh, reused] = ['fresh.sqfs', 'reused.sqfs'].map(name => [
      { path: scratch.file(hashTree, name) },
    ]);
    scratch.directory(hashTree);
    const one = await render(source, fresh!, { hashTree, root: scratch.file('other') });
    const two = await render(source, reused!, { hashTree, root });
    assert.deepEqual([one.reused, two.reused], [false, true]);
    const { path: a, hashFile: treeA, ...left }: Hashes = one.outputs[0]!;
    const { path: b, hashFile: treeB, ...right }: Hashes = two.outputs[0]!;
    assert.deepEqual(left, right);
    assert.deepEqual(readFileSync(a), readFileSync(b));
    assert.deepEqual(readFileSync(treeA!), readFileSync(treeB!));
    assert.deepEqual(readFileSync(artifact!.path), before, 'the cache has what it had');
  }
});

test('a flipped bit of data or tree is found', async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), layers());
  const { outputs } = await render(source, [{ path: scratch.file('out.erofs') }], { hashTree: 'append' });
  const { path: file, rootHash } = outputs[0]!;
  const whole = readFileSync(file);
  const check = () => shale(['verify', file, '--root-hash', rootHash!]);
  assert.equal((await check()).status, 0);
  for (const at of [5000, whole.length - 8000]) {
    const bent = Buffer.from(whole);
    bent[at]! ^= 1;
    writeFileSync(file, bent);
    assert.equal((await check()).status, 8, String(at));
  }
});

test('what fails leaves nothing, and what was there', async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), layers());
  const out = scratch.directory('out');
  const file = path.join(out, 'root.erofs');
  writeFileSync(file, 'before');
  const outputs = [{ path: file }, { path: path.join(out, 'root.sqfs') }];
  for (const hashTree of ['append', 'beside'] as const) {
    const controller = new AbortController();
    // All contents are there: what is left is tables, trees, and names.
    const onProgress = ({ type }: { type: string }) => type === 'finish' && controller.abort();
    const options = { hashTree, signal: controller.signal, onProgress };
    await assert.rejects(render(source, outputs, options), { code: 'cancelled' });
    assert.deepEqual(readdirSync(out), ['root.erofs']);
    assert.equal(readFileSync(file, 'utf8'), 'before');
  }
  // A tree that cannot be where it belongs is found before anything is done.
  mkdirSync(`${file}.verity`);
  await assert.rejects(render(source, outputs, { hashTree: 'beside' }), { code: 'invalid' });
  assert.deepEqual(readdirSync(out).sort(), ['root.erofs', 'root.erofs.verity']);
});

test('an abort at any moment of the hashing: all or nothing', async t => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), [layer({ noise: { content: noise(30_000_000) } })]);
  let cancelled = 0;
  for (const [index, delay] of [0, 20, 40, 60, 80, 120, 160, 300].entries()) {
    const out = scratch.directory(`out-${index}`);
    const controller = new AbortController();
    const onProgress = ({ type }: { type: string }) => {
      if (type === 'finish') setTimeout(() => controller.abort(), delay);
    };
    const hashTree = index % 2 === 0 ? 'append' : 'beside';
    const target = { path: path.join(out, 'root.erofs') };
    try {
      const { outputs } = await render(source, [target], {
        ...{ hashTree, jobs: 1, signal: controller.signal, onProgress },
      });
      const { path: file, rootHash } = outputs[0]!;
      await verifyRootHash(file, { rootHash });
    } catch (error) {
      assert.equal((error as ShaleError).code, 'cancelled');
      assert.deepEqual(readdirSync(out), []);
      cancelled += 1;
    }
  }
  t.diagnostic(`${cancelled} cancelled`);
  assert.ok(cancelled > 0);
});

const tmpfs = requires({ root: true, mounts: ['tmpfs'] });

test('a disk that has room for the data and not for the tree', { skip: tmpfs }, async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), layers());
  const request = { compression: 'none' } as const;
  const { outputs } = await render(source, [{ path: scratch.file('root.sqfs'), ...request }]);
  const size = outputs[0]!.bytes + 8192;
  using mounted = mount(scratch.directory('tmpfs'), ['-t', 'tmpfs', '-o', `size=${size}`, 'none']);
  const target = { path: path.join(mounted.path, 'root.sqfs'), ...request };
  for (const hashTree of ['append', 'beside'] as const) {
    await assert.rejects(render(source, [target], { hashTree }), { code: 'exhausted' });
    assert.deepEqual(readdirSync(mounted.path), []);
  }
  await render(source, [target]);
  assert.deepEqual(readdirSync(mounted.path), ['root.sqfs']);
});

test('a symlink where a tree belongs is replaced, and not followed', async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), sample());
  writeFileSync(scratch.file('victim'), 'mine');
  symlinkSync('victim', scratch.file('out.sqfs.verity'));
  await render(source, [{ path: scratch.file('out.sqfs') }], { hashTree: 'beside' });
  assert.equal(readFileSync(scratch.file('victim'), 'utf8'), 'mine');
  assert.ok(lstatSync(scratch.file('out.sqfs.verity')).isFile());
});

test('requests that cannot be', async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), sample());
  const [tar, sqfs] = [{ path: scratch.file('a.tar') }, { path: scratch.file('a.sqfs') }];
  const directory = { path: `${scratch.file('a')}/` };
  const tree = { path: scratch.file('a.sqfs.verity'), format: 'tar' } as const;
  for (const [outputs, request] of [
    [[tar], { hashTree: 'append' }],
    [[directory], { hashTree: 'beside' }],
    [[sqfs, tree], { hashTree: 'beside' }],
    [[sqfs, directory], { seal: true }],
    [[{ path: '-', stdout: process.stdout }], { seal: true }],
  ] as const) {
    await assert.rejects(render(source, outputs, request), { code: 'invalid' });
  }
  assert.deepEqual(readdirSync(scratch.path), ['layout']);
});

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

for (const tarIndex of [false, true]) {
  const what = tarIndex ? 'of tars' : 'of layers';
  test(`a stack ${what}: each file has its tree, and the cache what it had`, { skip: judges }, async () => {
    using scratch = new Scratch();
    const source = await writeImage(scratch.file('layout'), layers());
    const root = scratch.file('root');
    const form = { overlay: true, merged: true, tarIndex };
    const make = async (name: string, request: IntegrityRequest): Promise<StackResult> =>
      await renderStack(source, scratch.file(name), form, { root, ...request });
    const plain = await make('plain', {});
    const roots = (files: readonly StackFile[]) => files.map(({ file, rootHash }) => [file, rootHash]);
    for (const hashTree of ['append', 'beside'] as const) {
      const { manifest, bytes, path: place } = await make(hashTree, { hashTree });
      const files = filesOf(manifest);
      assert.equal(files.length, tarIndex ? 10 : 6);
      assert.equal(JSON.stringify(manifest), JSON.stringify(readManifest(place)));
      assert.deepEqual(roots(files), roots(filesOf(plain.manifest)));
      assert.equal((await verify(source, path.join(place, 'merged.erofs'))).differenceCount, 0);
      assert.equal(
        bytes,
        files.reduce((sum, { size }) => sum + size, 0),
      );
      for (const { file, size, digest, hashFile, ...rest } of files) {
        const at = path.join(place, file);
        const content = readFileSync(at);
        assert.equal(hashFile, hashTree === 'append' ? file : `${file}.verity`);
        assert.deepEqual([content.length, sha256(content)], [size, digest]);
        checkHashes({ ...rest, path: at, hashFile: path.join(place, hashFile!) });
      }
    }
    assert.deepEqual((await checkCache({ root })).damaged, []);
  });
}

function readManifest(place: string): unknown {
  return JSON.parse(readFileSync(path.join(place, 'stack.json'), 'utf8'));
}

test('where nothing can be sealed, that is said', {
  skip: requires({ root: true, mounts: ['ramfs'] }),
}, async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), sample());
  using mounted = mount(scratch.directory('ramfs'), ['-t', 'ramfs', 'none']);
  const outputs = ['root.sqfs', 'root.tar'].map(name => ({ path: path.join(mounted.path, name) }));
  const result = await render(source, outputs, { seal: true });
  assert.deepEqual(result.warnings.counts, { unsealed: 4 });
  assert.match(result.warnings.examples[0]!.message, /root\.sqfs has no fs-verity: .*ramfs/);
  for (const { sealed, fsverity } of result.outputs) {
    assert.deepEqual([sealed!.fsverity.done, sealed!.immutable.done], [false, false]);
    assert.match(fsverity!, /^sha256:/);
  }
  const strict = render(source, outputs, { seal: true, strict: true });
  await assert.rejects(strict, { code: 'invalid', message: /has no fs-verity/ });
  const { status, stderr } = await shale(['render', source, outputs[0]!.path, '--seal']);
  assert.equal(status, 0, stderr);
  assert.match(
    stderr,
    /2 warnings \(unsealed\):\n {2}\S+root\.sqfs has no fs-verity: .*\n {2}.*is not immutable: /,
  );
});

const ext4 = requires({ tools: ['mkfs.ext4', 'lsattr', 'chattr'], root: true, mounts: ['ext4'] });

test('sealed files stay, and the cache lives on', { skip: ext4 }, async t => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), sample());
  writeFileSync(scratch.file('disk'), '');
  execFileSync('truncate', ['-s', '64M', scratch.file('disk')]);
  execFileSync('mkfs.ext4', ['-q', '-O', 'verity', scratch.file('disk')], { stdio: 'pipe' });
  using mounted = mount(scratch.directory('ext4'), ['-o', 'loop', scratch.file('disk')]);
  assert.equal(statfsSync(mounted.path).type, 0xef53);
  const at = (...names: string[]) => path.join(mounted.path, ...names);
  const isImmutable = (file: string) => / *\S*i/.test(judge('lsattr', '-d', file).split(' ')[0]!);
  const file = at('root.erofs');
  const request = { seal: true, hashTree: 'beside' } as const;
  const { outputs, warnings } = await render(source, [{ path: file }], request);
  const [{ sealed, hashFileSealed }] = outputs as readonly [(typeof outputs)[0]];
  for (const [each, outcome] of [
    [file, sealed],
    [`${file}.verity`, hashFileSealed],
  ] as const) {
    assert.deepEqual(outcome!.immutable, { done: true });
    assert.ok(isImmutable(each), each);
    if (!outcome!.fsverity.done) t.diagnostic(outcome!.fsverity.reason);
  }
  assert.equal(warnings.counts.unsealed, sealed!.fsverity.done ? undefined : 2);
  await assert.rejects(render(source, [{ path: file }]), { code: 'exists', hint: /chattr -i/ });
  await assert.rejects(render(source, [{ path: file }], { hashTree: 'beside' }), { code: 'exists' });

  const root = at('cache');
  const form = { overlay: true, merged: true };
  const stack = await renderStack(source, at('stack'), form, { root, seal: true });
  const files = [...filesOf(stack.manifest).map(({ file }) => file), 'stack.json'];
  assert.deepEqual(
    stack.sealed!.map(({ path: each }) => path.relative(at('stack'), each)),
    files,
  );
  for (const each of files) assert.ok(isImmutable(at('stack', each)), each);
  // Its files are its own: nothing of the cache is immutable, so another stack has links, and the first is no obstacle to gc.
  for (const name of readdirSync(at('cache', 'artifacts')))
    assert.ok(!isImmutable(at('cache', 'artifacts', name)));
  await renderStack(source, at('second'), form, { root });
  assert.equal(lstatSync(at('second', 'merged.erofs')).nlink, 2);
  await assert.rejects(renderStack(source, at('stack'), form, { root }), { code: 'exists', hint: /chattr/ });
  assert.deepEqual(readManifest(at('stack')), readManifest(at('second')));
  copyFileSync(at('stack', 'merged.erofs'), scratch.file('copy'));
  assert.ok(existsSync(scratch.file('copy')));
});

/** Something mounted on a directory, for as long as the scope; nothing in it is immutable afterwards. */
function mount(path: string, args: readonly string[]): Disposable & { readonly path: string } {
  execFileSync('mount', [...args, path], { stdio: 'pipe' });
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', [path], { stdio: 'pipe' });
    },
  };
}
