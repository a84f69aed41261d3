import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { BenchImage } from '../image.ts';
import { createFile, writeTar } from '../item.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
interface Config {
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

const blobPath = (directory: string, digest: string) =>
  path.join(directory, 'blobs', ...digest.split(':', 2));

function read<T>(directory: string, digest: string): T {
  return JSON.parse(readFileSync(blobPath(directory, digest), 'utf8')) as T;
}

function readManifest(directory: string): Manifest {
  const index = readFileSync(path.join(directory, 'index.json'), 'utf8');
  const { manifests } = JSON.parse(index) as { manifests: readonly Descriptor[] };
  return read(directory, manifests[0]!.digest);
}

/** The files of the layers of an OCI layout's first image, oldest first. */
export function findLayers({ directory }: BenchImage): readonly string[] {
  return readManifest(directory).layers.map(({ digest }) => blobPath(directory, digest));
}

/**
 * A layout of images that differ from `image` in the last layer alone, each by one file from all others: tagged `next-0`, `next-1`
 * and so on. The blobs are the same files as in `image`, which must lie on the same filesystem.
 */
export async function createFollowers(image: BenchImage, directory: string, count: number): Promise<void> {
  const blobs = path.join(directory, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  for (const layer of findLayers(image)) linkSync(layer, path.join(blobs, path.basename(layer)));
  const write = (bytes: Uint8Array, mediaType: string): Descriptor => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    writeFileSync(blobPath(directory, digest), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const { config, layers } = readManifest(image.directory);
  const settings = read<Config>(image.directory, config.digest);
  const top = gunzipSync(readFileSync(blobPath(directory, layers.at(-1)!.digest)));
  const manifests: unknown[] = [];
  for (let index = 0; index < count; index++) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeTar([createFile('changed', Buffer.from(`${index}\n`))]))
      chunks.push(chunk);
    // Header and content, a record each; its end marks would end the whole.
    const tar = Buffer.concat([Buffer.concat(chunks).subarray(0, 1024), top]);
    const layer = write(gzipSync(tar, { level: 1 }), layers.at(-1)!.mediaType);
    const diffIds = [
      ...settings.rootfs.diff_ids.slice(0, -1),
      `sha256:${createHash('sha256').update(tar).digest('hex')}`,
    ];
    const next = { ...settings, rootfs: { ...settings.rootfs, diff_ids: diffIds } };
    const manifest = {
      ...readManifest(image.directory),
      config: write(Buffer.from(JSON.stringify(next)), config.mediaType),
      layers: [...layers.slice(0, -1), layer],
    };
    manifests.push({
      ...write(Buffer.from(JSON.stringify(manifest)), 'application/vnd.oci.image.manifest.v1+json'),
      annotations: { 'org.opencontainers.image.ref.name': `next-${index}` },
    });
  }
  writeFileSync(path.join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(path.join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** For peers that go from layer to layer: `NUMBER FILE` a line, oldest first. */
export function listLayers(image: BenchImage): string {
  return findLayers(image)
    .map((file, index) => `${index} ${file}\n`)
    .join('');
}
