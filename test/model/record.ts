import type { TarEntry } from '../../src/tar/entry.ts';

/** One record of a layer's tar stream, as the archive spells it, and a name for the bytes it carries. */
export interface LayerRecord extends TarEntry {
  /** Unique to the record; what a file of the result must show to have come from it. */
  readonly content: string;
}

/** Layers, oldest first. */
export type Stack = readonly (readonly LayerRecord[])[];

const epoch = { seconds: 0, nanoseconds: 0 };

/** A record with defaults for all that the test at hand does not care about. */
export function createRecord(fields: Partial<LayerRecord> & Pick<LayerRecord, 'type' | 'path'>): LayerRecord {
  return {
    linkpath: '',
    size: 0,
    mode: fields.type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: epoch,
    major: 0,
    minor: 0,
    xattrs: new Map(),
    content: '',
    ...fields,
  };
}

/** One line a record, for the message of a failed comparison. */
export function formatStack(stack: Stack): string {
  return stack
    .map((layer, index) => [`layer ${index}`, ...layer.map(record => `  ${formatRecord(record)}`)].join('\n'))
    .join('\n');
}

function formatRecord(record: LayerRecord): string {
  const { type, path, linkpath, mode, uid, gid, mtime, size, content, major, minor, xattrs } = record;
  const words: string[] = [type, JSON.stringify(path)];
  if (linkpath !== '') words.push(`-> ${JSON.stringify(linkpath)}`);
  if (type === 'character' || type === 'block') words.push(`${major}:${minor}`);
  if (type === 'file') words.push(`size ${size} content ${content}`);
  words.push(`mode ${mode.toString(8)} ids ${uid}:${gid} mtime ${mtime.seconds}.${mtime.nanoseconds}`);
  for (const [name, value] of xattrs) words.push(`${name}=${Buffer.from(value).toString('hex')}`);
  return words.join(' ');
}
