import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isErrno, wrapErrno } from '../error/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Layout } from './layout.ts';
import { placeFile } from './place-file.ts';

const magic = Buffer.from('SHALELX1', 'latin1');
const headerBytes = magic.length + 32;

/**
 * What was made of a layer, by the diffID: opaque bytes behind a magic and their own sha256. `undefined` if there is none
 * or if it is damaged, which is the same to whoever can make it again.
 */
export function findLayerIndex(layout: Layout, diffId: Digest): Uint8Array | undefined {
  const path = layout.layerIndex(diffId);
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw wrapErrno(error, `cannot read ${path}`);
  }
  return readLayerIndex(file);
}

/** The bytes in a file of `putLayerIndex`, if it is intact. */
export function readLayerIndex(file: Buffer): Uint8Array | undefined {
  const body = file.subarray(headerBytes);
  const header = file.subarray(0, headerBytes);
  return header.equals(formatHeader(body)) ? body : undefined;
}

/** Replaces what is there; durable when the promise is fulfilled. */
export async function putLayerIndex(layout: Layout, diffId: Digest, bytes: Uint8Array): Promise<void> {
  await placeFile(layout, layout.layerIndex(diffId), [formatHeader(bytes), bytes]);
}

function formatHeader(body: Uint8Array): Buffer {
  return Buffer.concat([magic, createHash('sha256').update(body).digest()]);
}
