/** Images rendered to EROFS, as Linux mounts them and as fsck.erofs and our own reader find them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { type OutputRequest, render, verify } from '../../src/engine/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import {
  created,
  fillStack,
  forms,
  isSpellable,
  layoutOf,
  makeHoldable,
  writeLayers,
  writeLayout,
} from '../engine/image.ts';
import { Scratch } from '../engine/scratch.ts';
import type { Segment } from '../engine/tar.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import { listDirectory } from '../model/disk.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { createRecord, formatStack, type LayerRecord, type Stack } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { createWildStack } from '../model/wild.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 8);
const platform = 'linux/amd64';
const compressions = ['none', 'lz4', 'deflate', 'zstd'] as const;

/** As `makeHoldable`, but with the times and the modes of symlinks, which EROFS holds. */
function makeErofsHoldable(stack: Stack): Stack {
  return makeHoldable(stack).map((layer, index) =>
    layer.map((record, position) => {
      const { mtime, mode } = stack[index]![position]!;
      return { ...record, mtime, mode };
    }),
  );
}

function createImage(random: Random, index: number): Stack {
  for (;;) {
    const stack = (index % 2 === 0 ? createWildStack : createTameStack)(random);
    if (isSpellable(stack)) return stack;
  }
}

function mounted<T>(image: string, root: string, use: () => T): T {
  mkdirSync(root, { recursive: true });
  execFileSync('mount', ['-t', 'erofs', '-o', 'loop,ro', image, root], { stdio: 'pipe' });
  try {
    return use();
  } finally {
    execFileSync('umount', [root]);
  }
}

test(`what Linux shows is what the model says, however the data is stored (SEED=${seed} COUNT=${count})`, {
  skip: requires({ tools: ['getfattr'], root: true, mounts: ['erofs'] }),
}, async t => {
  const fsck = newErofsTool('fsck.erofs');
  if (fsck === undefined) t.diagnostic(`fsck.erofs did not judge: ${requiresNewErofs()}`);
  for (let index = 0; index < count; index++) {
    using scratch = new Scratch();
    const random = createRandom(seed + index);
    const stack = makeErofsHoldable(createImage(random, index));
    const blockSize = random.pick([8192, 16384, 65536, 1048576]);
    // Around the blocks of the filesystem, or around those of compression.
    const image = fillStack(stack, random, random.pick([4096, blockSize]));
    const outcome = applyModel(image.stack, created);
    const files = layoutOf(writeLayers(image), () => random.pick(forms));
    const source = await writeLayout(scratch.directory('layout'), files);
    const outputs: OutputRequest[] = [
      { path: scratch.file('none.erofs') },
      { path: scratch.file('packed.erofs'), compression: random.pick(compressions.slice(1)), blockSize },
    ];
    const what = `SEED=${seed + index} COUNT=1 ${JSON.stringify(outputs)}\n${formatStack(stack)}`;
    const rendering = render(source, outputs, { platform, jobs: 1 + random.integer(3) });
    if (outcome === 'rejected') {
      await assert.rejects(rendering, (error: ShaleError) => error.code === 'invalid', what);
      continue;
    }
    await rendering;
    for (const { path } of outputs) {
      if (fsck !== undefined) execFileSync(fsck, ['--extract', path], { stdio: 'pipe' });
      const found = mounted(path, scratch.file('mounted'), () => listDirectory(scratch.file('mounted')));
      assert.deepEqual(found, outcome.listing, `${path}: ${what}`);
    }
  }
});

test(`verify finds no difference in what was rendered of wild metadata (SEED=${seed} COUNT=${count})`, async () => {
  for (let index = 0; index < count / 2; index++) {
    using scratch = new Scratch();
    const random = createRandom(seed + 1000 + index);
    const stack = createImage(random, index);
    const image = fillStack(stack, random, 4096);
    const files = layoutOf(writeLayers(image), () => random.pick(forms));
    const source = await writeLayout(scratch.directory('layout'), files);
    const outputs = compressions.map(compression => ({
      path: scratch.file(`${compression}.erofs`),
      compression,
    }));
    try {
      await render(source, outputs);
    } catch (error) {
      if (!(error instanceof ShaleError) || applyModel(image.stack, created) !== 'rejected') throw error;
      continue;
    }
    for (const { path } of outputs) {
      const { differences, format } = await verify(source, path, { jobs: 1 });
      assert.equal(format, 'erofs');
      assert.deepEqual(differences, [], `${path} SEED=${seed + index} COUNT=2\n${formatStack(stack)}`);
    }
  }
});

/** Enough for several slabs and all ways to store a file; a path that comes twice, so that all is read again. */
function createLargeLayers(): Buffer[] {
  const contents = new Map<LayerRecord, Buffer | readonly Segment[]>();
  const file = (path: string, bytes: Buffer): LayerRecord => {
    const record = createRecord({ type: 'file', path, size: bytes.length });
    contents.set(record, bytes);
    return record;
  };
  const text = (size: number, mark: number) =>
    Buffer.alloc(size, `${`line ${mark} of a text, `.repeat(20)}and its end\n`);
  const sparse = createRecord({ type: 'file', path: 'sparse', size: 3_000_000 });
  contents.set(sparse, [{ offset: 1_000_000, bytes: randomBytes(5000) }]);
  const stack = [
    [
      ...Array.from({ length: 400 }, (_, index) => file(`small/${index}`, randomBytes(index * 13))),
      file('twice', text(400_000, 0)),
      file('twice', text(300_000, 1)),
      sparse,
    ],
    [
      ...Array.from({ length: 60 }, (_, index) => file(`text/${index}`, text(index * 7001, index))),
      file('noise', randomBytes(2_500_000)),
      file('half', Buffer.concat([randomBytes(700_000), text(900_000, 1), randomBytes(100_001)])),
    ],
  ];
  return writeLayers({ stack, contents });
}

test('the same bytes at any number of jobs, alone and beside others, one decompression for all', async () => {
  using scratch = new Scratch();
  const source = await writeLayout(scratch.directory('layout'), layoutOf(createLargeLayers()));
  const requests = (name: string): OutputRequest[] =>
    compressions.map(compression => ({ path: scratch.file(`${name}-${compression}.erofs`), compression }));
  const others = [{ path: scratch.file('a.sqfs') }, { path: scratch.file('a.tar') }];
  await render(source, requests('one'), { platform, jobs: 1 });
  const [first, ...rest] = requests('eight');
  const [squashfs, tar] = others as [OutputRequest, OutputRequest];
  const { layersReadAgain } = await render(source, [squashfs, first!, tar, ...rest], { platform, jobs: 8 });
  assert.equal(layersReadAgain, 2);
  for (const compression of compressions) {
    const [one, eight] = ['one', 'eight'].map(name =>
      readFileSync(scratch.file(`${name}-${compression}.erofs`)),
    );
    assert.ok(one!.equals(eight!), compression);
    await render(source, [{ path: scratch.file('alone.erofs'), compression }], { platform });
    assert.ok(one!.equals(readFileSync(scratch.file('alone.erofs'))), compression);
  }
  // A superblock each, and a UUID: what differs in how it is stored is not the same image.
  const uuids = compressions.map(name =>
    readFileSync(scratch.file(`one-${name}.erofs`)).toString('hex', 1072, 1088),
  );
  assert.equal(new Set(uuids).size, compressions.length);
});

test('a file of 1 TiB keeps its holes, and its data is where it was', {
  skip: requires({ tools: ['python3'], root: true, mounts: ['erofs'] }),
}, async () => {
  using scratch = new Scratch();
  const record = createRecord({ type: 'file', path: 'giant', size: 2 ** 40 });
  const [first, middle, last] = [randomBytes(10_000), randomBytes(1), randomBytes(4097)];
  const segments = [
    { offset: 0, bytes: first },
    { offset: 2 ** 39 + 12345, bytes: middle },
    { offset: 2 ** 40 - last.length, bytes: last },
  ];
  const tars = writeLayers({ stack: [[record]], contents: new Map([[record, segments]]) });
  const source = await writeLayout(scratch.directory('layout'), layoutOf(tars));
  const script = `
import os, sys
f = os.open(sys.argv[1], os.O_RDONLY)
for offset, size in ((0, 10000), (2**39 + 12345, 1), (2**40 - 4097, 4097)):
    sys.stdout.buffer.write(os.pread(f, size, offset))
at = 0
while True:
    try: data = os.lseek(f, at, os.SEEK_DATA)
    except OSError: break
    at = os.lseek(f, data, os.SEEK_HOLE)
    sys.stdout.buffer.write(b'%d %d\\n' % (data, at))
`;
  for (const compression of ['none', 'zstd'] as const) {
    const path = scratch.file('giant.erofs');
    await render(source, [{ path, compression }], { platform, limits: { totalBytes: 2 ** 41 } });
    assert.ok(statSync(path).blocks * 512 < 2 ** 20);
    const found = mounted(path, scratch.file('mounted'), () => {
      // Its blocks are no measure: of EROFS Linux works them out from the size.
      assert.equal(lstatSync(scratch.file('mounted', 'giant')).size, 2 ** 40);
      return execFileSync('python3', ['-c', script, scratch.file('mounted', 'giant')]);
    });
    const bytes = Buffer.concat([first, middle, last]);
    assert.ok(found.subarray(0, bytes.length).equals(bytes));
    // Chunks of 16 MiB.
    const chunk = 2 ** 24;
    assert.deepEqual(found.toString('latin1', bytes.length).trim().split('\n'), [
      `0 ${chunk}`,
      `${2 ** 39} ${2 ** 39 + chunk}`,
      `${2 ** 40 - chunk} ${2 ** 40}`,
    ]);
  }
});

test('an interrupted render leaves nothing, and what stood there stands', async () => {
  using scratch = new Scratch();
  const source = await writeLayout(scratch.directory('layout'), layoutOf(createLargeLayers()));
  const out = scratch.directory('out');
  writeFileSync(scratch.file('out', 'none.erofs'), 'before');
  for (const moment of [1, 2, 4, 1000]) {
    const abort = new AbortController();
    let heard = 0;
    const onProgress = ({ type }: { readonly type: string }): void => {
      heard += 1;
      if (heard === moment || (type === 'finish' && moment === 1000)) abort.abort();
    };
    const requests = compressions.map(compression => ({
      path: scratch.file('out', `${compression}.erofs`),
      compression,
    }));
    await assert.rejects(
      render(source, requests, { platform, jobs: 2, signal: abort.signal, onProgress }),
      { code: 'cancelled' },
      `at ${moment}`,
    );
    assert.deepEqual(readdirSync(out), ['none.erofs']);
    assert.equal(readFileSync(scratch.file('out', 'none.erofs'), 'latin1'), 'before');
  }
});

test('what EROFS does not have is refused before anything is read', async () => {
  const refused: [Partial<OutputRequest>, RegExp][] = [
    [{ compression: 'gzip' }, /no compression gzip/],
    [{ compression: 'xz' }, /no compression xz/],
    [{ fragments: false }, /fragments is an option of squashfs/],
    [{ mtime: 1 }, /mtime is an option of squashfs/],
    [{ blockSize: 65536 }, /means nothing/],
    [{ level: 3 }, /means nothing/],
    [{ compression: 'zstd', blockSize: 4096 }, /from 8 KiB/],
    [{ compression: 'zstd', blockSize: 2 ** 21 }, /to 1 MiB/],
    [{ compression: 'lz4', level: 2 }, /no level 2/],
  ];
  for (const [more, message] of refused) {
    await assert.rejects(render('oci:nowhere', [{ path: 'a.erofs', ...more }]), { code: 'invalid', message });
  }
  await assert.rejects(render('oci:nowhere', [{ path: '-', format: 'erofs' }]), /standard output/);
  await assert.rejects(
    render('oci:nowhere', [{ path: 'a.sqfs', compression: 'deflate' }]),
    /no compression deflate/,
  );
});
