/** What a render's bytes depend on, what they must not hold, and images of unusual proportions. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { type ImageOptions, type OutputRequest, render, verify } from '../../src/engine/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { createRecord, type LayerRecord } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { requires } from '../requirement.ts';
import {
  dockerArchiveOf,
  type FilledStack,
  type Form,
  fillStack,
  forms,
  layoutOf,
  writeArchive,
  writeLayers,
  writeLayout,
} from './image.ts';
import { Scratch } from './scratch.ts';
import { endBlocks, type Segment, writeRecord } from './tar.ts';

const mebibyte = 2 ** 20;

/** A layer as a list of names with what they hold; `null` is a directory, `wh` and links are spelled as records. */
function layer(...records: (LayerRecord | readonly [string, Buffer | string | null])[]) {
  const contents = new Map<LayerRecord, Buffer | readonly Segment[]>();
  const made = records.map(given => {
    if (!Array.isArray(given)) return given as LayerRecord;
    const [path, content] = given as [string, Buffer | string | null];
    if (content === null) return createRecord({ type: 'directory', path });
    const bytes = Buffer.from(content as string);
    const record = createRecord({ type: 'file', path, size: bytes.length });
    contents.set(record, bytes);
    return record;
  });
  return { made, contents };
}

const link = (path: string, linkpath: string) => createRecord({ type: 'hardlink', path, linkpath });
const symlink = (path: string, linkpath: string) => createRecord({ type: 'symlink', path, linkpath });
const whiteout = (path: string) => createRecord({ type: 'file', path });

function stackOf(...layers: ReturnType<typeof layer>[]): FilledStack {
  return {
    stack: layers.map(({ made }) => made),
    contents: new Map(layers.flatMap(each => [...each.contents])),
  };
}

async function makeSource(scratch: Scratch, image: FilledStack, form: Form = 'gzip', name = 'layout') {
  return writeLayout(
    scratch.directory(name),
    layoutOf(writeLayers(image), () => form),
  );
}

/** Renders and gives the bytes of squashfs and tar. */
async function renderBytes(
  source: string,
  options: ImageOptions = {},
  squashfs: Partial<OutputRequest> = {},
): Promise<{ squashfs: Buffer; tar: Buffer; layersReadAgain: number }> {
  using out = new Scratch();
  const outputs = [{ path: out.file('a.sqfs'), ...squashfs }, { path: out.file('a.tar') }];
  const { layersReadAgain } = await render(source, outputs, { platform: 'linux/amd64', ...options });
  assert.deepEqual(readdirSync(out.path).sort(), ['a.sqfs', 'a.tar']);
  return {
    squashfs: readFileSync(out.file('a.sqfs')),
    tar: readFileSync(out.file('a.tar')),
    layersReadAgain,
  };
}

test('the bytes are the same at any width and memory, and from any form of the same layers', async () => {
  const seed = readSeed();
  for (let index = 0; index < 2; index++) {
    using scratch = new Scratch();
    const random = createRandom(seed + index);
    const image = fillStack(createTameStack(random), random, 131072);
    const tars = writeLayers(image);
    const layout = layoutOf(tars, () => 'gzip');
    const source = await writeLayout(scratch.directory('layout'), layout);
    const mixed = layoutOf(tars, () => random.pick(forms));
    const sources: [string, string, ImageOptions][] = [
      ['two jobs', source, { jobs: 2 }],
      ['five jobs', source, { jobs: 5 }],
      ['little memory', source, { jobs: 1, memory: 160 * mebibyte }],
      ['much memory', source, { jobs: 2, memory: 600 * mebibyte }],
      ['oci-archive', writeArchive('oci-archive', scratch.file('oci.tar'), layout.tar()), {}],
      [
        'docker-archive',
        writeArchive('docker-archive', scratch.file('docker.tar'), dockerArchiveOf(tars)),
        {},
      ],
      ['recompressed', await writeLayout(scratch.directory('mixed'), mixed), {}],
    ];
    const expected = await renderBytes(source, { jobs: 1 });
    for (const [what, other, options] of sources) {
      const actual = await renderBytes(other, options);
      assert.ok(actual.squashfs.equals(expected.squashfs), `SEED=${seed + index} squashfs: ${what}`);
      assert.ok(actual.tar.equals(expected.tar), `SEED=${seed + index} tar: ${what}`);
    }
  }
});

const secret = (text: string) => `${text}-SECRET-${'x'.repeat(5000)}`;
const shown = (text: string) => `${text}-SHOWN-${'y'.repeat(9000)}`;

/** Stacks in which some file's data is hidden in ways that the data pass cannot foresee, or only nearly. */
const hiding: Record<string, { image: FilledStack; again: boolean }> = {
  'whited out, replaced, opaque': {
    image: stackOf(
      layer(['a', secret('a')], ['b', secret('b')], ['d', null], ['d/c', secret('c')], ['e', shown('e')]),
      layer(whiteout('.wh.a'), ['b', shown('b')], whiteout('d/.wh..wh..opq')),
    ),
    again: false,
  },
  'repeated in its own layer': {
    image: stackOf(layer(['a', secret('a')], ['b', shown('b')], ['a', shown('a')])),
    again: true,
  },
  'below a symlinked parent': {
    image: stackOf(
      layer(['real', null], ['real/a', secret('a')], symlink('alias', 'real'), ['b', shown('b')]),
      layer(['alias/a', shown('a')]),
    ),
    again: true,
  },
  'whited out below a symlinked parent': {
    image: stackOf(
      layer(['real', null], ['real/a', secret('a')], symlink('alias', 'real'), ['b', shown('b')]),
      layer(whiteout('alias/.wh.a')),
    ),
    again: true,
  },
  'replaced, but linked to before': {
    image: stackOf(
      layer(['a', shown('a')], ['b', shown('b')]),
      layer(link('kept', 'a'), ['a', shown('A')]),
      layer(['a', null]),
    ),
    again: false,
  },
  'linked to below a symlinked parent, and the name deleted': {
    image: stackOf(
      layer(['real', null], ['real/a', shown('a')], symlink('alias', 'real'), ['gone', secret('gone')]),
      layer(link('kept', 'alias/a'), whiteout('real/.wh.a'), whiteout('.wh.gone')),
    ),
    again: true,
  },
  'linked to, and the link replaced': {
    image: stackOf(
      layer(['a', secret('a')], ['b', shown('b')]),
      layer(link('kept', 'a'), whiteout('.wh.a')),
      layer(['kept', shown('kept')]),
    ),
    again: false,
  },
};

for (const [title, { image, again }] of Object.entries(hiding)) {
  test(`no byte of a hidden file is in the result: ${title}`, async () => {
    using scratch = new Scratch();
    const source = await makeSource(scratch, image);
    const plain = { compression: 'none' } as const;
    const result = await renderBytes(source, { jobs: 2 }, plain);
    for (const [format, bytes] of [
      ['squashfs', result.squashfs],
      ['tar', result.tar],
    ] as const) {
      assert.ok(!bytes.includes('SECRET'), `${format} holds what was deleted`);
      assert.ok(bytes.includes('SHOWN'), `${format} lacks what was not`);
    }
    assert.equal(result.layersReadAgain > 0, again, `${result.layersReadAgain} layers were read again`);
    const other = await renderBytes(source, { jobs: 1, memory: 160 * mebibyte }, plain);
    assert.ok(other.squashfs.equals(result.squashfs) && other.tar.equals(result.tar));
    for (const path of ['a.sqfs', 'a.tar']) {
      await render(source, [{ path: scratch.file(path), ...(path === 'a.sqfs' && plain) }]);
      const report = await verify(source, scratch.file(path));
      assert.deepEqual(report.differences, []);
    }
    assert.ok(
      readFileSync(scratch.file('a.tar')).equals(result.tar),
      'a tar depends on who is rendered beside it',
    );
    assert.ok(readFileSync(scratch.file('a.sqfs')).equals(result.squashfs));
  });
}

test('a hidden file of 64 MiB costs no room', async () => {
  using scratch = new Scratch();
  const image = stackOf(
    layer(['big', randomBytes(64 * mebibyte)], ['small', 'small']),
    layer(whiteout('.wh.big')),
  );
  const source = await makeSource(scratch, image, 'none');
  const { squashfs, tar, layersReadAgain } = await renderBytes(source);
  assert.ok(squashfs.length <= 4096, `${squashfs.length} bytes of squashfs`);
  assert.ok(tar.length < 8192, `${tar.length} bytes of tar`);
  assert.equal(layersReadAgain, 0);
});

test('500 layers, each with a file of its own and one that the next replaces', async () => {
  using scratch = new Scratch();
  const layers = Array.from({ length: 500 }, (_, index) =>
    layer(['common', `${index}`.repeat(3000)], [`own${index}`, `${index}`], [`dir${index % 7}`, null]),
  );
  const source = await makeSource(scratch, stackOf(...layers));
  await render(source, [{ path: scratch.file('a.sqfs') }]);
  const report = await verify(source, scratch.file('a.sqfs'));
  assert.deepEqual([report.differenceCount, report.inodes, report.files], [0, 509, 501]);
});

test('20 000 small files, and a directory of 60 000 entries', async () => {
  using scratch = new Scratch();
  const files = Array.from({ length: 20_000 }, (_, index): [string, string] => [
    `small/${index % 100}/${index}`,
    `${index} `.repeat(index % 60),
  ]);
  const empty = Array.from({ length: 60_000 }, (_, index): [string, string] => [`large/entry-${index}`, '']);
  const source = await makeSource(scratch, stackOf(layer(...files), layer(...empty)));
  await render(source, [{ path: scratch.file('a.sqfs') }, { path: scratch.file('a.tar') }]);
  for (const path of ['a.sqfs', 'a.tar']) {
    const report = await verify(source, scratch.file(path));
    assert.deepEqual([report.differenceCount, report.files], [0, 80_000]);
  }
});

test('sparse files that are nearly all holes, many and one of 5 GiB', {
  skip: requires({ tools: ['unsquashfs'] }),
}, async () => {
  using scratch = new Scratch();
  const size = 5 * 1024 * mebibyte + 12345;
  const segments = [{ offset: 3 * 1024 * mebibyte + 7, bytes: Buffer.from('here') }];
  const big = createRecord({ type: 'file', path: 'big', size });
  // Each has a tail of its own length, and the archive has no bytes for it.
  const tails = Array.from({ length: 900 }, (_, index) =>
    createRecord({ type: 'file', path: `tail${index}`, size: 1 + 140 * index }),
  );
  const tar = Buffer.concat([
    ...tails.map(record => writeRecord(record, [])),
    writeRecord(big, segments),
    endBlocks,
  ]);
  const source = await writeLayout(scratch.directory('layout'), layoutOf([tar]));
  await render(source, [{ path: scratch.file('a.sqfs') }], { memory: 256 * mebibyte });
  assert.ok(statSync(scratch.file('a.sqfs')).size < 256 * 1024);
  const listing = execFileSync('unsquashfs', ['-lln', scratch.file('a.sqfs')], { encoding: 'utf8' });
  assert.match(listing, new RegExp(` ${size} \\S+ \\S+ squashfs-root/big\\n`));
  for (const { path, size } of tails)
    assert.match(listing, new RegExp(` ${size} \\S+ \\S+ squashfs-root/${path}\\n`));
});
