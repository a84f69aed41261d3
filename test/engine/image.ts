/** Images with real contents, made of the model's stacks, in every form that a source can have. */
import { writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { mediaTypes } from '../../src/oci/index.ts';
import { Files, sha256 } from '../archive/fixture.ts';
import type { Random } from '../model/random.ts';
import type { LayerRecord, Stack } from '../model/record.ts';
import { endBlocks, type Segment, writeRecord } from './tar.ts';

/** The time of all these images. */
export const created = { seconds: 1_234_567, nanoseconds: 0 };

export const forms = ['none', 'gzip', 'zstd', 'members', 'frames'] as const;
export type Form = (typeof forms)[number];

/** A stack whose files have bytes; each record's `content` is their sha256, and `size` their number. */
export interface FilledStack {
  readonly stack: Stack;
  readonly contents: ReadonlyMap<LayerRecord, Buffer | readonly Segment[]>;
}

/** The stack with nothing in its metadata that Linux does not show of any filesystem as it is stored: EROFS holds the rest, times and all. */
export function makeVisible(stack: Stack): Stack {
  const capped = (id: number) => (id === 0xffffffff ? 0xfffffffe : id);
  return stack.map(layer =>
    layer.map(record => {
      const { type, xattrs, mode, uid, gid } = record;
      const mayHaveUser = type === 'file' || type === 'directory';
      const shown = [...xattrs].filter(
        ([name]) => name !== 'security.capability' && (mayHaveUser || !name.startsWith('user.')),
      );
      return {
        ...record,
        mode: type === 'symlink' ? 0o777 : mode,
        ...{ uid: capped(uid), gid: capped(gid), xattrs: new Map(shown) },
      };
    }),
  );
}

/** The same with nothing that a squashfs or a directory on Linux cannot hold, so that the model's listing is what every judge has to see, to the letter. */
export function makeHoldable(stack: Stack): Stack {
  const held = ({ seconds }: LayerRecord['mtime']) => ({
    seconds: Math.min(Math.max(seconds, 0), 0xffffffff),
    nanoseconds: 0,
  });
  return makeVisible(stack).map(layer => layer.map(record => ({ ...record, mtime: held(record.mtime) })));
}

/** Whether an archive can spell all of its records at all; NULs and empty names it cannot. */
export function isSpellable(stack: Stack): boolean {
  return stack.flat().every(({ type, path, linkpath }) => {
    const isLink = type === 'hardlink' || type === 'symlink';
    return !`${path}${linkpath}`.includes('\0') && path !== '' && (!isLink || linkpath !== '');
  });
}

/** Gives every file bytes to try a block writer with: around multiples of the block size, alike, empty, sparse, noise. */
export function fillStack(stack: Stack, random: Random, blockSize: number): FilledStack {
  const contents = new Map<LayerRecord, Buffer | readonly Segment[]>();
  const pool: Buffer[] = [];
  const fill = (record: LayerRecord): LayerRecord => {
    if (record.type !== 'file' || record.path.includes('.wh.')) return record;
    if (random.chance(0.15)) {
      const segments = createSegments(random, blockSize);
      const size =
        segments.reduce((_, { offset, bytes }) => offset + bytes.length, 0) + random.integer(blockSize * 3);
      const whole = Buffer.alloc(size);
      for (const { offset, bytes } of segments) bytes.copy(whole, offset);
      const filled = { ...record, size, content: sha256(whole) };
      contents.set(filled, segments);
      return filled;
    }
    const bytes = pool.length > 0 && random.chance(0.25) ? random.pick(pool) : createBytes(random, blockSize);
    pool.push(bytes);
    const filled = { ...record, size: bytes.length, content: sha256(bytes) };
    contents.set(filled, bytes);
    return filled;
  };
  return { stack: stack.map(layer => layer.map(fill)), contents };
}

function createBytes(random: Random, blockSize: number): Buffer {
  const blocks = random.pick([0, 0, 1, 1, 2, 5]);
  const size = random.pick([
    0,
    1,
    random.integer(200),
    random.integer(blockSize),
    Math.max(0, blocks * blockSize - 1),
    blocks * blockSize,
    blocks * blockSize + 1,
    blocks * blockSize + random.integer(blockSize),
  ]);
  return createNoise(random, size);
}

/** Text, noise, zeros, or noise with a block of zeros in it. */
function createNoise(random: Random, size: number): Buffer {
  const kind = random.integer(5);
  if (kind === 0) return Buffer.alloc(size);
  const bytes = Buffer.alloc(size);
  if (kind === 1) {
    bytes.fill(`line ${random.integer(1000)} of some text\n`);
    return bytes;
  }
  let state = random.integer(0x7fffffff);
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) % 0x1_0000_0000;
    bytes[at] = Math.floor(state / 0x1000000) % (kind === 2 ? 8 : 256);
  }
  if (kind === 4 && size > 8192) bytes.fill(0, 4096, 8192);
  return bytes;
}

function createSegments(random: Random, blockSize: number): Segment[] {
  const segments: Segment[] = [];
  let offset = 0;
  for (let count = random.integer(4); count > 0; count--) {
    offset += random.pick([0, blockSize - 1, blockSize, 3 * blockSize, random.integer(blockSize)]);
    const bytes = createNoise(random, 1 + random.integer(blockSize + 2));
    segments.push({ offset, bytes });
    offset += bytes.length;
  }
  return segments;
}

export function writeLayers({ stack, contents }: FilledStack): Buffer[] {
  return stack.map(layer =>
    Buffer.concat([
      ...layer.map(record => writeRecord(record, contents.get(record) ?? Buffer.alloc(0))),
      endBlocks,
    ]),
  );
}

export function compress(tar: Buffer, form: Form): Buffer {
  const middle = Math.floor(tar.length / 2);
  switch (form) {
    case 'none':
      return tar;
    case 'gzip':
      return gzipSync(tar, { level: 1 });
    case 'zstd':
      return zstdCompressSync(tar);
    case 'members':
      return Buffer.concat([gzipSync(tar.subarray(0, middle)), gzipSync(tar.subarray(middle))]);
    case 'frames':
      return Buffer.concat([
        zstdCompressSync(tar.subarray(0, middle)),
        zstdCompressSync(tar.subarray(middle)),
      ]);
  }
}

const types = {
  none: mediaTypes.layer,
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  members: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  frames: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

const configure = (tars: readonly Buffer[], diffIds?: readonly string[]) => ({
  os: 'linux',
  architecture: 'amd64',
  created: '1970-01-15T06:56:07Z',
  rootfs: { type: 'layers', diff_ids: diffIds ?? tars.map(tar => `sha256:${sha256(tar)}`) },
});

/** The files of a layout; what does not hold for a test can be bent. */
export function layoutOf(
  tars: readonly Buffer[],
  formOf: (layer: number) => Form = () => 'gzip',
  bent: {
    blob?: (bytes: Buffer, layer: number) => Buffer;
    descriptor?: (fields: Record<string, unknown>, layer: number) => Record<string, unknown>;
    diffIds?: readonly string[];
  } = {},
): Files {
  const files = new Files();
  const layers = tars.map((tar, layer) => {
    const bytes = compress(tar, formOf(layer));
    const fields = files.blob(types[formOf(layer)], bent.blob?.(bytes, layer) ?? bytes);
    return bent.descriptor?.(fields, layer) ?? fields;
  });
  const config = files.blob(mediaTypes.config, configure(tars, bent.diffIds));
  return files.layout(files.blob(mediaTypes.manifest, { schemaVersion: 2, config, layers }));
}

/** As `docker save` wrote them before it wrote layouts. */
export function dockerArchiveOf(tars: readonly Buffer[]): Buffer {
  const files = new Files();
  const config = JSON.stringify(configure(tars));
  files.put(`${sha256(config)}.json`, config);
  const paths = tars.map((tar, layer) => {
    const path = `${sha256(tar)}-${layer}/layer.tar`;
    files.put(path, tar);
    return path;
  });
  files.put('manifest.json', [{ Config: `${sha256(config)}.json`, RepoTags: ['a:b'], Layers: paths }]);
  return files.tar();
}

/** Writes a layout and gives the source that names it. */
export async function writeLayout(directory: string, files: Files): Promise<string> {
  await files.writeDirectory(directory);
  return `oci:${directory}`;
}

export function writeArchive(kind: 'oci-archive' | 'docker-archive', file: string, bytes: Buffer): string {
  writeFileSync(file, bytes);
  return `${kind}:${file}`;
}
