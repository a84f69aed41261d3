import type { LayerRecord } from '../model/record.ts';

const flags = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** A stretch of a sparse file that is stored. */
export interface Segment {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** One record as a real archive may spell it, pax before ustar; independent of the writer under test. */
export function writeRecord(record: LayerRecord, content: Buffer | readonly Segment[]): Buffer {
  const { type, path, linkpath, mode, uid, gid, mtime, size, major, minor, xattrs } = record;
  const pax: [string, Buffer][] = [];
  const text = (key: string, value: string) => pax.push([key, Buffer.from(value, 'latin1')]);
  let data = Array.isArray(content) ? Buffer.alloc(0) : (content as Buffer);
  if (Array.isArray(content)) {
    const segments = content as readonly Segment[];
    const map = [segments.length, ...segments.flatMap(({ offset, bytes }) => [offset, bytes.length])];
    text('GNU.sparse.major', '1');
    text('GNU.sparse.minor', '0');
    text('GNU.sparse.name', path);
    text('GNU.sparse.realsize', String(size));
    data = Buffer.concat([pad(Buffer.from(`${map.join('\n')}\n`)), ...segments.map(({ bytes }) => bytes)]);
  } else if (path.length > 100) text('path', path);
  if (linkpath.length > 100) text('linkpath', linkpath);
  if (uid > 0o7777777) text('uid', String(uid));
  if (gid > 0o7777777) text('gid', String(gid));
  if (mtime.nanoseconds !== 0 || mtime.seconds < 0) text('mtime', formatTime(mtime));
  for (const [name, value] of xattrs) pax.push([`SCHILY.xattr.${name}`, Buffer.from(value)]);
  const parts: Buffer[] = [];
  if (pax.length > 0) {
    const records = Buffer.concat(pax.map(([key, value]) => formatPax(key, value)));
    parts.push(header({ name: 'PaxHeaders/x', flag: 'x', size: records.length }), pad(records));
  }
  const short = uid > 0o7777777 ? 0 : uid;
  parts.push(
    header({
      name: path.slice(0, 100),
      flag: flags[type],
      size: type === 'file' ? data.length : 0,
      link: linkpath.slice(0, 100),
      mode,
      uid: short,
      gid: gid > 0o7777777 ? 0 : gid,
      mtime: Math.max(mtime.seconds, 0),
      major,
      minor,
    }),
  );
  if (type === 'file') parts.push(pad(data));
  return Buffer.concat(parts);
}

export const endBlocks = Buffer.alloc(1024);

export function header(fields: {
  name: string;
  flag: string;
  size?: number;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  major?: number;
  minor?: number;
}): Buffer {
  const { name, flag, size = 0, link = '', mode = 0o644, uid = 0, gid = 0, mtime = 0 } = fields;
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), at, length - 1, 'latin1');
  block.write(name, 0, 100, 'latin1');
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(mtime, 136, 12);
  block.write(`        ${flag}`, 148, 'latin1');
  block.write(link, 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(fields.major ?? 0, 329, 8);
  octal(fields.minor ?? 0, 337, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

export function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

function formatPax(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + 1;
  while (String(length).length + rest !== length) length += 1;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), value, Buffer.from('\n')]);
}

/** pax has a sign and a decimal fraction: -0.5 is half a second before 1970. */
function formatTime({ seconds, nanoseconds }: LayerRecord['mtime']): string {
  const total = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  const size = total < 0n ? -total : total;
  const fraction = String(size % 1_000_000_000n).padStart(9, '0');
  return `${total < 0n ? '-' : ''}${size / 1_000_000_000n}.${fraction}`;
}
