import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createDecompressor } from '../../src/bytes/codec/index.ts';
import { TarParser } from '../../src/tar/index.ts';
import type { LayerRecord, Stack } from './record.ts';

interface Descriptor {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The layers of one image of an OCI layout, decompressed and parsed by our own code; a content is its SHA-256. */
export function readLayoutImage(layout: string, tag: string): Stack {
  const blob = ({ digest }: Descriptor): Buffer =>
    readFileSync(`${layout}/blobs/${digest.replace(':', '/')}`);
  const index = JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')) as { manifests: Descriptor[] };
  const found = index.manifests.find(each => each.annotations?.['org.opencontainers.image.ref.name'] === tag);
  if (found === undefined) throw new Error(`no ${tag} in ${layout}`);
  const manifest = JSON.parse(blob(found).toString()) as { layers: Descriptor[] };
  return manifest.layers.map(layer => readLayer(blob(layer)));
}

function readLayer(compressed: Buffer): LayerRecord[] {
  const records: LayerRecord[] = [];
  let hash = createHash('sha256');
  let entry: Omit<LayerRecord, 'content'> | undefined;
  const parser = new TarParser({
    entry: next => {
      entry = next;
      hash = createHash('sha256');
    },
    data: chunk => void hash.update(chunk),
    hole: length => void hash.update(new Uint8Array(length)),
    end: () => void records.push({ ...entry!, content: hash.digest('hex') }),
  });
  const decompressor = createDecompressor();
  try {
    const output = new Uint8Array(65536);
    decompressor.push(compressed);
    for (let length = decompressor.read(output); length > 0; length = decompressor.read(output)) {
      parser.write(output.subarray(0, length));
    }
    decompressor.finish();
    parser.finish();
  } finally {
    decompressor.close();
  }
  return records;
}
