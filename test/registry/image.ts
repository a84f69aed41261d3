/** Small images with something in them, in layouts and in registries. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { mediaTypes } from '../../src/oci/index.ts';
import { Files } from '../archive/fixture.ts';
import { layer } from '../cli/fixture.ts';
import { type Form, layoutOf } from '../engine/image.ts';
import type { RealRegistry } from './real.ts';

/** Bytes that do not compress, and are the same for the same seed. */
export function noise(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = (seed * 2654435761) % 0x1_0000_0000;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = Math.floor(state / 0x1000000);
  }
  return bytes;
}

/** A layer's tar of one file of noise and a few small ones; layers of other seeds have other names. */
export function noisyLayer(seed: number, size = 50_000): Buffer {
  return layer({
    [`layer-${seed}/`]: {},
    [`layer-${seed}/noise`]: { content: noise(size, seed) },
    [`layer-${seed}/text`]: `this is layer ${seed}\n`,
    shared: `last written by ${seed}\n`,
  });
}

/** An image of such layers, one for each seed. Images with the same first seeds share these layers. */
export function noisyImage(seeds: readonly number[], { size = 50_000, form = 'gzip' as Form } = {}): Files {
  return layoutOf(
    seeds.map(seed => noisyLayer(seed, size)),
    () => form,
  );
}

/** A layout, tagged `many`, of an index of two images of one layer each: of seed 1 for amd64, of 2 for arm64. */
export function multiPlatform() {
  const files = new Files();
  const add = (architecture: string, seed: number) => {
    const layer = files.blob(mediaTypes.layer, noisyLayer(seed));
    const rootfs = { type: 'layers', diff_ids: [layer.digest] };
    const config = files.blob(mediaTypes.config, { os: 'linux', architecture, rootfs });
    const manifest = files.blob(mediaTypes.manifest, { schemaVersion: 2, config, layers: [layer] });
    return { ...manifest, platform: { os: 'linux', architecture }, layer: layer.digest };
  };
  const [amd, arm] = [add('amd64', 1), add('arm64', 2)];
  const index = files.index([amd, arm].map(({ layer: _, ...descriptor }) => descriptor));
  files.layout({ ...index, annotations: { 'org.opencontainers.image.ref.name': 'many' } });
  return { files, index, amd, arm };
}

/** Runs skopeo; what it printed. Throws with what it said. */
export async function skopeo(...args: string[]): Promise<string> {
  return (await promisify(execFile)('skopeo', args, { maxBuffer: 64 * 1024 * 1024 })).stdout;
}

/** Brings an image into the registry as `name` (`repository:tag`), by skopeo, bytes as they are; the reference to pull. */
export async function pushImage(registry: RealRegistry, name: string, files: Files): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'shale-image-'));
  try {
    await files.writeDirectory(directory);
    const target = `docker://${registry.host}/${name}`;
    await skopeo('copy', '-q', '--preserve-digests', ...registry.skopeo('dest-'), `oci:${directory}`, target);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return `${registry.host}/${name}`;
}
