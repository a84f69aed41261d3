import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { type Items, writeTar } from './item.ts';

export interface LayerCompression {
  readonly algorithm: 'none' | 'gzip' | 'zstd';
  readonly level: number;
}

export interface WrittenImage {
  /** Sum of the layers' tars, and of the blobs that hold them. */
  readonly bytes: number;
  readonly blobBytes: number;
  readonly entries: number;
  readonly layers: number;
}

interface Blob {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly diffId: string;
  readonly bytes: number;
}

const suffix = { none: '', gzip: '+gzip', zstd: '+zstd' } as const;

/** Writes an OCI image layout with one image, tagged `latest`, into `directory`. `width` layers are compressed at once; `run` is how it runs. */
export async function writeLayout(
  directory: string,
  layers: readonly Items[],
  compression: LayerCompression,
  width = 2,
  run: Readonly<Record<string, unknown>> = { Entrypoint: ['/app/node'], WorkingDir: '/app' },
): Promise<WrittenImage> {
  mkdirSync(path.join(directory, 'blobs', 'sha256'), { recursive: true });
  const blobs: Blob[] = new Array(layers.length);
  let next = 0;
  const work = async () => {
    for (let index = next++; index < layers.length; index = next++) {
      blobs[index] = await writeLayer(directory, layers[index]!, compression, index);
    }
  };
  await Promise.all(Array.from({ length: width }, work));

  const config = writeJson(directory, 'application/vnd.oci.image.config.v1+json', {
    created: '2024-01-01T00:00:00Z',
    os: 'linux',
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    config: run,
    rootfs: { type: 'layers', diff_ids: blobs.map(blob => blob.diffId) },
    history: blobs.map((_, index) => ({ created_by: `bench layer ${index}` })),
  });
  const manifest = writeJson(directory, 'application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: blobs.map(blob => blob.descriptor),
  });
  writeFileSync(path.join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const tagged = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'latest' } };
  writeFileSync(
    path.join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [tagged] }),
  );
  return {
    bytes: blobs.reduce((sum, blob) => sum + blob.bytes, 0),
    blobBytes: blobs.reduce((sum, blob) => sum + blob.descriptor.size, 0),
    entries: layers.reduce((sum, items) => sum + items.length, 0),
    layers: layers.length,
  };
}

async function writeLayer(
  directory: string,
  items: Items,
  { algorithm, level }: LayerCompression,
  index: number,
): Promise<Blob> {
  const tar = createMeter();
  const blob = createMeter();
  const temporary = path.join(directory, `layer-${index}`);
  await pipeline(
    writeTar(items),
    tar.stream,
    createCompressor(algorithm, level),
    blob.stream,
    createWriteStream(temporary),
  );
  const size = blob.size();
  const digest = blob.digest();
  renameSync(temporary, path.join(directory, 'blobs', 'sha256', digest));
  const mediaType = `application/vnd.oci.image.layer.v1.tar${suffix[algorithm]}`;
  const descriptor = { mediaType, digest: `sha256:${digest}`, size };
  return { descriptor, diffId: `sha256:${tar.digest()}`, bytes: tar.size() };
}

function createCompressor(algorithm: LayerCompression['algorithm'], level: number): Transform {
  const chunkSize = 262_144;
  if (algorithm === 'gzip') return zlib.createGzip({ level, chunkSize });
  if (algorithm === 'none') return createMeter().stream;
  return zlib.createZstdCompress({ chunkSize, params: { [zlib.constants.ZSTD_c_compressionLevel]: level } });
}

/** Passes bytes on, counts and hashes them. */
function createMeter(): { stream: Transform; size: () => number; digest: () => string } {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(this: Readable, chunk: Uint8Array, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, size: () => size, digest: () => hash.digest('hex') };
}

function writeJson(directory: string, mediaType: string, value: unknown) {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(path.join(directory, 'blobs', 'sha256', digest), bytes);
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}
