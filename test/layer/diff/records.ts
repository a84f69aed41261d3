/** A layer's records in one canonical form, so that two layers can be compared. */
import { readFileSync } from 'node:fs';
import type { ChangeEntry, ChangesLayerOptions } from '../../../src/layer/index.ts';
import { writeChangesLayer } from '../../../src/layer/index.ts';
import { TarParser } from '../../../src/tar/index.ts';
import type { LayerRecord } from '../../model/record.ts';

/** The layer of these changes, as a tar reader finds it; contents as latin1. */
export async function recordsOf(
  changes: AsyncIterable<ChangeEntry>,
  file: string,
  options: ChangesLayerOptions = {},
): Promise<LayerRecord[]> {
  const layer = await writeChangesLayer(changes, file, { ...options, compression: 'none' });
  return parseRecords(readFileSync(layer.path));
}

export function parseRecords(archive: Uint8Array): LayerRecord[] {
  const records: LayerRecord[] = [];
  let pieces: Buffer[] = [];
  let entry: Omit<LayerRecord, 'content'> | undefined;
  const parser = new TarParser({
    entry: next => {
      entry = next;
      pieces = [];
    },
    data: chunk => void pieces.push(Buffer.from(chunk)),
    hole: length => void pieces.push(Buffer.alloc(length)),
    end: () => void records.push({ ...entry!, content: Buffer.concat(pieces).toString('latin1') }),
  });
  parser.write(archive);
  parser.finish();
  return records;
}

/**
 * What a layer of `createTameStack` says, in the order of a tree: a whiteout of what the layer brings anew says nothing but that a
 * directory is opaque, a marker in an opaque directory nothing at all. The first name of a file is the file, the
 * others link to it.
 */
export function canonical(records: readonly LayerRecord[]): string[] {
  const entries = new Map<string, LayerRecord>();
  const deleted = new Set<string>();
  const opaque = new Set<string>();
  for (const record of records) {
    const path = record.path.replace(/^\.\/|\/$/g, '').replace(/^\.$/, '');
    const [, parent = '', name] = /^(?:(.*)\/)?([^/]*)$/.exec(path)!;
    if (name === '.wh..wh..opq') opaque.add(parent);
    else if (name!.startsWith('.wh.')) deleted.add([parent, name!.slice(4)].filter(Boolean).join('/'));
    else entries.set(path, { ...record, path });
  }
  for (const path of deleted) {
    const entry = entries.get(path);
    if (entry !== undefined) deleted.delete(path);
    if (entry?.type === 'directory') opaque.add(path);
  }
  const isHidden = (path: string) =>
    [...opaque].some(above => path.startsWith(`${above}/`) && above !== path);
  const lines = [...deleted].filter(path => !isHidden(path)).map(path => [path, 'deleted'] as const);
  const first = new Map<string, string>();
  const origin = (path: string): string => {
    const record = entries.get(path)!;
    return record.type === 'hardlink' ? origin(record.linkpath) : path;
  };
  for (const path of [...entries.keys()].sort()) if (!first.has(origin(path))) first.set(origin(path), path);
  const all = [...entries.keys()].map(path => {
    const file = entries.get(origin(path))!;
    const link = first.get(origin(path))!;
    if (link !== path) return [path, `hardlink to ${link}`] as const;
    const { type, mode, uid, gid, mtime, xattrs, major, minor, linkpath, content } = file;
    const kept = [...xattrs].map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`).sort();
    const hidden = opaque.has(path) && !isHidden(path) ? 'opaque' : '';
    const time = `${mtime.seconds}.${mtime.nanoseconds}`;
    const facts = [
      type,
      mode.toString(8),
      `${uid}:${gid}`,
      time,
      `${major}:${minor}`,
      linkpath,
      content,
      kept,
      hidden,
    ];
    return [path, facts.join(' ')] as const;
  });
  return [...lines, ...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, text]) => `/${path} ${text}`);
}
