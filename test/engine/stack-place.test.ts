/** Stacks looked into and compared with their images: what is right is found right, and whatever was changed is named. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cat, type Difference, list, verify, verifyStack } from '../../src/engine/index.ts';
import { renderStack, type StackManifest, type StackRequest } from '../../src/engine/stack/index.ts';
import { filesOf } from '../../src/engine/stack/manifest.ts';
import { Pace } from '../../src/engine/verify/pace.ts';
import { readStackArtifact } from '../../src/engine/verify/stack-artifact.ts';
import type { ShaleError } from '../../src/error/index.ts';
import { measureFresh } from '../../src/store/measure.ts';
import { mountErofs, mountOverlay } from '../kernel-mount.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { createRecord, type LayerRecord } from '../model/record.ts';
import { shaleError } from '../oci/throws.ts';
import { requires } from '../requirement.ts';
import { layoutOf, writeLayout } from './image.ts';
import { Scratch } from './scratch.ts';
import { endBlocks, writeRecord } from './tar.ts';

const options = { platform: 'linux/amd64', jobs: 1 } as const;
const mtime = { seconds: 1_000_000, nanoseconds: 5 };
const content = (name: string, size: number) => Buffer.alloc(size, `${name} `);
type Part = readonly [LayerRecord, Buffer];
const file = (path: string, size = 9000): Part => [
  createRecord({ type: 'file', path, size, mtime }),
  content(path, size),
];
const other = (fields: Parameters<typeof createRecord>[0]): Part => [
  createRecord({ mtime, ...fields }),
  Buffer.alloc(0),
];
const tarOf = (...parts: readonly Part[]) =>
  Buffer.concat([...parts.map(([record, bytes]) => writeRecord(record, bytes)), endBlocks]);

/** Whiteouts of files, directories and in new directories; opaque ones; links within a layer and to an older one. */
const layers = [
  tarOf(
    other({ type: 'directory', path: './', mode: 0o755 }),
    other({ type: 'directory', path: 'd', xattrs: new Map([['user.a', Buffer.from('1')]]) }),
    file('d/a'),
    file('d/gone'),
    other({ type: 'hardlink', path: 'd/link', linkpath: 'd/a' }),
    other({ type: 'directory', path: 'o' }),
    file('o/hidden'),
    other({ type: 'directory', path: 'removed' }),
    file('removed/x'),
    file('plain', 5000),
  ),
  tarOf(
    other({ type: 'directory', path: 'd', mode: 0o700 }),
    other({ type: 'file', path: 'd/.wh.gone' }),
    other({ type: 'directory', path: 'new' }),
    other({ type: 'file', path: 'new/.wh.nothing' }),
    other({ type: 'directory', path: 'o' }),
    other({ type: 'file', path: 'o/.wh..wh..opq' }),
    file('o/shown', 100),
    other({ type: 'file', path: '.wh.removed' }),
    other({ type: 'hardlink', path: 'other', linkpath: 'plain' }),
    other({ type: 'symlink', path: 's', linkpath: 'd/a', mode: 0o777 }),
  ),
];

const forms: readonly StackRequest[] = [
  {},
  { merged: true },
  { overlay: true, merged: true },
  { tarIndex: true },
  { tarIndex: true, overlay: true, merged: true },
];

interface Made {
  readonly source: string;
  readonly path: string;
  readonly manifest: StackManifest;
}

async function make(
  scratch: Scratch,
  form: StackRequest,
  more: Partial<Parameters<typeof renderStack>[3]> = {},
): Promise<Made> {
  const source = await writeLayout(scratch.directory('layout'), layoutOf(layers));
  const path = scratch.file('stack');
  const { manifest } = await renderStack(source, path, form, { ...options, cache: false, ...more });
  return { source, path, manifest };
}

const write = (path: string, manifest: unknown) =>
  writeFileSync(join(path, 'stack.json'), JSON.stringify(manifest));

/** Changes one bit. The cache's file, to which it may be a link, is none of ours. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 0x10;
  rmSync(path);
  writeFileSync(path, bytes);
}

const brief = (differences: readonly Difference[]) =>
  differences.map(({ part, path, what }) => `${part} ${what} ${path}`).sort();

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of from) all.push(each);
  return all;
}

for (const form of forms) {
  test(`as it was made, a stack is the image: ${JSON.stringify(form)}`, async () => {
    using scratch = new Scratch();
    for (const hashTree of ['none', 'append', 'beside'] as const) {
      const { source, path, manifest } = await make(scratch, form, { hashTree });
      const report = await verify(source, path, options);
      assert.deepEqual(report.differences, []);
      assert.equal(report.format, 'stack');
      const files = filesOf(manifest);
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      assert.deepEqual(report.stack, { files: files.length, bytes });
      const { differences, ...alone } = await verifyStack(path, options);
      assert.deepEqual(differences, []);
      assert.deepEqual(alone, { path, format: 'stack', files: files.length, bytes, differenceCount: 0 });
      // As a directory it is no root filesystem of this image.
      assert.ok((await verify(source, path, { ...options, format: 'directory' })).differenceCount > 0);
      if (manifest.merged !== undefined) {
        const merged = await verify(source, join(path, 'merged.erofs'), options);
        assert.deepEqual([merged.format, merged.differenceCount], ['erofs', 0]);
      }
    }
  });

  test(`what a stack shows: ${JSON.stringify(form)}`, async () => {
    using scratch = new Scratch();
    const { path } = await make(scratch, form);
    const all = await collect(list(path, { recursive: true }));
    assert.deepEqual(
      all.map(entry => `${entry.type} ${entry.path}`),
      [
        ...['directory d', 'file d/a', 'file d/link', 'directory new', 'directory o', 'file o/shown'],
        ...['file other', 'file plain', 'symlink s'],
      ],
    );
    const [d] = all;
    assert.deepEqual([d!.mode, d!.mtime, d!.xattrs.size], [0o700, mtime, 0]);
    assert.deepEqual(
      (await collect(list(path, { path: 'd' }))).map(entry => entry.path),
      ['d/a', 'd/link'],
    );
    const read = async (name: string) => Buffer.concat(await collect(cat(path, name)));
    assert.deepEqual(await read('s'), content('d/a', 9000));
    assert.deepEqual(await read('/other'), content('plain', 5000));
    assert.deepEqual(await read('o/shown'), content('o/shown', 100));
    await assert.rejects(read('o/hidden'), shaleError('not-found'));
    await assert.rejects(read('d/gone'), shaleError('not-found'));
  });
}

for (const form of forms.filter(({ overlay }) => overlay)) {
  test(`one bit of any file: ${JSON.stringify(form)}`, async () => {
    using scratch = new Scratch();
    for (const hashTree of ['none', 'append', 'beside'] as const) {
      const { source, path, manifest } = await make(scratch, form, { hashTree });
      for (const described of filesOf(manifest)) {
        const { file, size, hashFile } = described;
        const place = join(path, file);
        // In a tar's header, in the data or an image's front, and at the end: padding, a tree, or what nobody reads.
        const middle = Math.floor(size / 2);
        for (const at of hashTree === 'beside' ? [middle] : [middle, 1, size - 1]) {
          flip(place, at);
          const { differences } = await verifyStack(path, options);
          const found = brief(differences);
          const inData = hashFile !== file || at < described.hashOffset!;
          const expected = [
            ...[`files digest ${file}`, `files fs-verity ${file}`],
            ...(inData ? [`files root-hash ${file}`] : []),
            ...(hashFile === undefined ? [] : [`files hash-tree ${hashFile}`]),
          ];
          assert.deepEqual(found, expected.sort(), `${hashTree} ${file} at ${at}`);
          if (hashFile !== undefined) {
            const told = differences.find(({ what }) => what === 'hash-tree')!.actual!;
            const block = Math.floor(at / 4096);
            const what = inData ? 'data' : 'hash';
            // A tree's own superblock, and what is behind its hashes, have no number.
            if (inData) assert.match(told, new RegExp(`${what} block ${block} `));
          }
          const whole = await verify(source, path, options);
          assert.deepEqual(
            brief(whole.differences).filter(each => each.startsWith('files')),
            found,
          );
          flip(place, at);
        }
        if (hashFile === undefined || hashFile === file) continue;
        const tree = join(path, hashFile);
        // What is of one block has no tree but a superblock, with a UUID.
        const at = readFileSync(tree).length > 4096 ? 5000 : 20;
        flip(tree, at);
        assert.deepEqual(brief((await verifyStack(path, options)).differences), [
          `files hash-tree ${hashFile}`,
        ]);
        flip(tree, at);
      }
      assert.equal((await verify(source, path, options)).differenceCount, 0);
    }
  });
}

const seed = readSeed();
const count = Number(process.env.COUNT ?? 40);

test(`random damage is told, and is never a bug (SEED=${seed} COUNT=${count})`, async () => {
  const random = createRandom(seed);
  using scratch = new Scratch();
  const { path, manifest } = await make(scratch, { tarIndex: true, overlay: true, merged: true });
  const files = filesOf(manifest);
  for (let index = 0; index < count; index++) {
    const { file, size } = random.pick(files);
    const what = `SEED=${seed} COUNT=${count}: ${index}, ${file}`;
    const saved = readFileSync(join(path, file));
    const damaged = Buffer.from(saved);
    // The superblock decides more than any other byte.
    const at = random.chance(0.3) ? 1024 + random.integer(256) : random.integer(size);
    damaged[at]! ^= 2 ** random.integer(8);
    writeFileSync(join(path, file), damaged);
    const { signal } = new AbortController();
    const { files: found, parts } = await readStackArtifact(path, new Pace(signal), { jobs: 1, signal });
    assert.ok(
      found.differences.kept.every(({ path }) => path === file) && found.differences.count === 3,
      what,
    );
    assert.equal(parts.length, 2, what);
    await collect(list(path, { recursive: true })).catch((error: ShaleError) => {
      assert.match(error.code, /^(corrupt|unsupported|invalid)$/, what);
    });
    writeFileSync(join(path, file), saved);
  }
});

test('files that are missing, cut, replaced or strange', async () => {
  using scratch = new Scratch();
  const { source, path, manifest } = await make(scratch, { overlay: true, merged: true });
  const [first] = filesOf(manifest);
  const place = join(path, first!.file);
  const saved = readFileSync(place);
  const check = async (expected: string[]) => {
    assert.deepEqual(brief((await verifyStack(path, options)).differences), expected);
    const whole = await verify(source, path, options);
    assert.deepEqual(
      brief(whole.differences).filter(each => each.startsWith('files')),
      expected,
    );
    return brief(whole.differences).filter(each => !each.startsWith('files'));
  };
  rmSync(place);
  const unreadable = ['merged unreadable /', 'overlay unreadable /'];
  assert.deepEqual(await check([`files missing ${first!.file}`]), unreadable);
  writeFileSync(scratch.file('outside'), saved);
  symlinkSync(scratch.file('outside'), place);
  assert.deepEqual(await check([`files type ${first!.file}`]), unreadable);
  rmSync(place);
  mkdirSync(place);
  assert.deepEqual(await check([`files type ${first!.file}`]), unreadable);
  rmSync(place, { recursive: true });
  writeFileSync(place, saved);
  truncateSync(place, 4096);
  await check([`files size ${first!.file}`]);
  writeFileSync(place, saved);
  writeFileSync(join(path, 'new'), '');
  mkdirSync(join(path, 'layers/more'));
  symlinkSync('/etc', join(path, 'etc'));
  assert.deepEqual(await check(['files extra etc', 'files extra layers/more', 'files extra new']), []);
  for (const name of ['new', 'layers/more', 'etc']) rmSync(join(path, name), { recursive: true });
  // All layers outside: what is there is not looked at.
  renameSync(join(path, 'layers'), scratch.file('layers'));
  symlinkSync(scratch.file('layers'), join(path, 'layers'));
  const outside = filesOf(manifest).filter(({ file }) => file.startsWith('layers/'));
  assert.deepEqual(
    await check(['files extra layers', ...outside.map(({ file }) => `files type ${file}`).sort()]),
    unreadable,
  );
  await assert.rejects(collect(cat(path, 'plain')), shaleError('invalid', /leads out/));
});

test('what a file shows is compared with the image, also if stack.json vouches for it', async () => {
  using scratch = new Scratch();
  const { source, path, manifest } = await make(scratch, { overlay: true, merged: true });
  const lowest = manifest.layers[0]!.image!;
  const place = join(path, lowest.file);
  const bytes = readFileSync(place);
  const at = bytes.indexOf('d/a d/a');
  bytes[at] = 'D'.charCodeAt(0);
  writeFileSync(place, bytes);
  const { rootHash, fsverity, digest } = await measureFresh(place, bytes.length);
  const vouched = { ...lowest, rootHash, fsverity, digest };
  write(path, { ...manifest, layers: [{ ...manifest.layers[0], image: vouched }, manifest.layers[1]] });
  assert.equal((await verifyStack(path, options)).differenceCount, 0);
  const { differences } = await verify(source, path, options);
  // Two names, one file.
  assert.deepEqual(brief(differences), ['merged content /d/a', 'overlay content /d/a']);
});

test('a hash tree that is not of its data is found, also if stack.json vouches for the file', async () => {
  using scratch = new Scratch();
  const { path, manifest } = await make(scratch, { merged: true }, { hashTree: 'append' });
  const image = manifest.merged!.image;
  const { file, size, hashOffset, rootHash } = image;
  const place = join(path, file);
  assert.deepEqual(brief((await verifyStack(path, options)).differences), []);
  // The last hash block: of a tree with one level, digests of the data.
  flip(place, size - 4096);
  const { digest, fsverity } = await measureFresh(place, size);
  write(path, { ...manifest, merged: { ...manifest.merged, image: { ...image, digest, fsverity } } });
  const { differences } = await verifyStack(path, options);
  assert.deepEqual(brief(differences), [`files hash-tree ${file}`]);
  assert.ok(size > hashOffset! + 4096 && rootHash !== undefined);
  rmSync(place);
  assert.deepEqual(brief((await verifyStack(path, options)).differences), [`files missing ${file}`]);
});

test('whiteouts without an origin show as they do in the kernel', {
  skip: requires({ mounts: ['erofs', 'overlay'] }),
}, async () => {
  using scratch = new Scratch();
  const { source, path, manifest } = await make(scratch, {});
  const { lowers } = manifest.overlay!;
  const lower = join(path, lowers[1]!.file);
  const image = readFileSync(lower);
  const at = image.indexOf('overlay.origin');
  image.write('overlay.oRigin', at);
  assert.equal(image.indexOf('overlay.origin'), -1, 'all directories share it');
  writeFileSync(lower, image);
  using stack = new DisposableStack();
  const mounts = lowers.map(({ file }) => stack.use(mountErofs(join(path, file))).path);
  const shown = stack.use(mountOverlay(mounts)).path;
  const found = (await collect(list(path, { recursive: true }))).map(entry => entry.path);
  assert.deepEqual(found, (readdirSync(shown, { recursive: true }) as string[]).sort());
  assert.ok(found.includes('new/nothing'));
  const { differences } = await verify(source, path, options);
  assert.ok(brief(differences).includes('overlay extra /new/nothing'));
});

test('lowers in another order, devices in another order, a lower less', async () => {
  using scratch = new Scratch();
  const { source, path, manifest } = await make(scratch, { tarIndex: true, overlay: true, merged: true });
  const { overlay, merged } = manifest;
  const [head, ...rest] = overlay!.lowers;
  assert.equal(rest.length, 2);
  const differing = async (changed: unknown) => {
    write(path, changed);
    assert.equal((await verifyStack(path, options)).differenceCount, 0);
    return brief((await verify(source, path, options)).differences);
  };
  const swapped = await differing({
    ...manifest,
    overlay: { ...overlay, lowers: [head, ...rest.toReversed()] },
  });
  assert.ok(swapped.includes('overlay extra /d/gone') && swapped.includes('overlay mode /d'), swapped.join());
  assert.ok(swapped.every(each => each.startsWith('overlay')));
  const less = await differing({ ...manifest, overlay: { ...overlay, lowers: [head, rest[0]!] } });
  assert.ok(less.includes('overlay missing /d/a') && !less.includes('overlay mode /d'), less.join());
  const without = rest.map(({ file }) => ({ file }));
  const alone = await differing({ ...manifest, overlay: { ...overlay, lowers: [head, ...without] } });
  assert.deepEqual(alone, ['overlay unreadable /']);
  const devices = await differing({
    ...manifest,
    merged: { ...merged, devices: merged!.devices.toReversed() },
  });
  assert.ok(
    devices.some(each => /^merged (unreadable|content)/.test(each)),
    devices.join(),
  );
  const fewer = await differing({ ...manifest, merged: { ...merged, devices: merged!.devices.slice(1) } });
  assert.deepEqual(fewer, ['merged unreadable /']);
});

test('an xattr that steers OverlayFS is told, wherever it came from', async () => {
  using scratch = new Scratch();
  const { source, path, manifest } = await make(scratch, {});
  const lower = manifest.overlay!.lowers[1]!.file;
  const image = readFileSync(join(path, lower));
  // The layer's opaque directory: a name of the same length that the kernel knows, too.
  const at = image.indexOf('overlay.opaque');
  assert.ok(at > 0);
  image.write('overlay.impure', at);
  writeFileSync(join(path, lower), image);
  const { differences } = await verify(source, path, options);
  const strange = differences.filter(({ part, what }) => part === 'overlay' && what === 'extra');
  const told = strange.find(({ actual }) => actual?.includes('trusted.overlay.impure'));
  assert.ok(told?.actual?.includes(lower), JSON.stringify(strange));
  assert.ok(strange.some(each => each.path === '/o/hidden'));
});

test('a stack of another image says so', async () => {
  using scratch = new Scratch();
  const { path } = await make(scratch, { merged: true });
  const same = await writeLayout(scratch.directory('same'), layoutOf([...layers, tarOf()]));
  const { differences } = await verify(same, path, options);
  assert.deepEqual(
    brief(differences),
    Array.from({ length: 3 }, () => 'files image stack.json'),
  );
  assert.match(differences[0]!.expected!, /^config sha256:/);
  assert.deepEqual(differences[2]!.actual, undefined);
});

test('a stack.json that is none', async () => {
  using scratch = new Scratch();
  const { source, path, manifest } = await make(scratch, { overlay: true, merged: true });
  const json = JSON.parse(readFileSync(join(path, 'stack.json'), 'utf8'));
  writeFileSync(scratch.file('evil.erofs'), readFileSync(join(path, 'merged.erofs')));
  const cases: readonly (readonly [string, (stack: typeof json) => void, RegExp, string?])[] = [
    ['no version', stack => delete stack.schemaVersion, /stack\.json\.schemaVersion/],
    ['a later version', stack => (stack.schemaVersion = 2), /version 2/, 'unsupported'],
    ['no image', stack => delete stack.image, /stack\.json\.image /],
    ['no config', stack => delete stack.image.config, /stack\.json\.image\.config/],
    ['nothing to mount', stack => [delete stack.overlay, delete stack.merged], /neither overlay nor merged/],
    ['no lowers', stack => (stack.overlay.lowers = []), /overlay\.lowers has nothing/],
    ['a lower that is none', stack => (stack.overlay.lowers[1] = 7), /overlay\.lowers\[1\]/],
    ['no head', stack => delete stack.overlay.head, /overlay\.head/],
    ['another head', stack => stack.overlay.lowers.reverse(), /overlay\.lowers\[0\] is not the head/],
    [
      'a lower of nowhere',
      stack => (stack.overlay.lowers[1].file = 'x'),
      /lowers\[1\]\.file is x, which is not/,
    ],
    ['a device of nowhere', stack => (stack.merged.devices[0] = 'x'), /merged\.devices\[0\] is x/],
    ['devices that are no list', stack => (stack.merged.devices = {}), /merged\.devices is not a list/],
    ['no diffID', stack => delete stack.layers[0].diffId, /layers\[0\]\.diffId/],
    ['no digest', stack => delete stack.layers[1].image.digest, /layers\[1\]\.image\.digest/],
    ['another digest', stack => (stack.merged.image.digest = 'md5:00'), /merged\.image\.digest/],
    ['half a root hash', stack => (stack.merged.image.rootHash = '00'), /merged\.image\.rootHash/],
    ['no fs-verity digest', stack => delete stack.merged.image.fsverity, /merged\.image\.fsverity/],
    ['a size below 0', stack => (stack.merged.image.size = -1), /merged\.image\.size/],
    ['a size that no number holds', stack => (stack.merged.image.size = 2 ** 60), /merged\.image\.size/],
    ['half a byte', stack => (stack.merged.image.size = 0.5), /merged\.image\.size/],
    [
      'two opinions',
      stack => (stack.layers[0].image.file = stack.layers[1].image.file),
      /layers\[\d\]\.image says/,
    ],
    [
      'a tree at half a block',
      stack => Object.assign(stack.merged.image, { hashFile: 'merged.erofs', hashOffset: 100 }),
      /merged\.image\.hashOffset/,
    ],
    [
      'a tree behind the end',
      stack => Object.assign(stack.merged.image, { hashFile: 'merged.erofs', hashOffset: 2 ** 52 }),
      /merged\.image\.hashOffset/,
    ],
    [
      'a tree elsewhere',
      stack => Object.assign(stack.merged.image, { hashFile: '../tree', hashOffset: 0 }),
      /merged\.image\.hashFile/,
    ],
    ...[
      '../evil.erofs',
      scratch.file('evil.erofs'),
      'a/../../evil.erofs',
      './merged.erofs',
      '',
      'a//b',
      'a\0b',
    ].map(
      name =>
        [
          `a file called ${JSON.stringify(name)}`,
          (stack: typeof json) => (stack.merged.image.file = name),
          /merged\.image\.file is .*, no path below the stack/s,
        ] as const,
    ),
  ];
  for (const [what, change, message, code = 'invalid'] of cases) {
    const changed = structuredClone(json);
    change(changed);
    write(path, changed);
    const expected = shaleError(code as 'invalid', message);
    await assert.rejects(verifyStack(path, options), expected, what);
    await assert.rejects(verify(source, path, options), expected, what);
    await assert.rejects(collect(list(path)), expected, what);
  }
  // A size that would be a lot of memory is one that the file has not.
  write(path, {
    ...manifest,
    merged: { ...manifest.merged, image: { ...manifest.merged!.image, size: 2 ** 52 } },
  });
  assert.deepEqual(brief((await verifyStack(path, options)).differences), ['files size merged.erofs']);
  // Damage that leaves no JSON; and what is a file of a root filesystem.
  const text = JSON.stringify(manifest);
  writeFileSync(join(path, 'stack.json'), text.slice(0, -1));
  for (const run of [
    () => verifyStack(path),
    () => verify(source, path, options),
    () => collect(list(path)),
  ]) {
    await assert.rejects(run, shaleError('invalid', /stack\.json is not valid JSON/));
  }
  writeFileSync(join(path, 'stack.json'), Buffer.concat([Buffer.from(text), Buffer.alloc(5_000_000, ' ')]));
  await assert.rejects(verifyStack(path, options), shaleError('exhausted', /stack\.json/));
  for (const other of [JSON.stringify({ mediaType: 'a/b' }), '[]', 'null', '', 'text']) {
    writeFileSync(join(path, 'stack.json'), other);
    assert.equal((await verify(source, path, options)).format, 'directory');
    const paths = (await collect(list(path))).map(entry => entry.path);
    assert.deepEqual(paths, ['head.erofs', 'layers', 'merged.erofs', 'stack.json']);
    await assert.rejects(verifyStack(path, options), shaleError('invalid', /stack\.json/));
  }
  rmSync(join(path, 'stack.json'));
  await assert.rejects(verifyStack(path, options), shaleError('not-found', /stack\.json/));
  await assert.rejects(verifyStack(scratch.file('nowhere')), shaleError('not-found', /nowhere/));
  symlinkSync(scratch.file('layout', 'index.json'), join(path, 'stack.json'));
  await assert.rejects(verifyStack(path, options), shaleError('invalid', /leads out/));
});
