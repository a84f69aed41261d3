import type { Inode, Timestamp, Xattrs } from '../tree/index.ts';
import { printable } from '../tree/printable.ts';
import { jsonBytes } from './bytes.ts';

/** What can be said of an inode without its content. */
export type Described = Pick<Inode<unknown>, 'type' | 'mode' | 'uid' | 'gid' | 'mtime'> & {
  readonly xattrs?: Xattrs;
  readonly size?: number;
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
};

const letters: Readonly<Record<Inode<unknown>['type'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  block: 'b',
  character: 'c',
  fifo: 'p',
  socket: 's',
};

/** `drwxr-sr-x`, as ls shows it. */
export function formatMode({ type, mode }: Pick<Described, 'type' | 'mode'>): string {
  let text = letters[type];
  for (const [shift, special, letter] of [
    [6, 0o4000, 's'] as const,
    [3, 0o2000, 's'] as const,
    [0, 0o1000, 't'] as const,
  ]) {
    const bits = mode >> shift;
    const execute = (bits & 1) !== 0;
    text += (bits & 4) !== 0 ? 'r' : '-';
    text += (bits & 2) !== 0 ? 'w' : '-';
    if ((mode & special) !== 0) text += execute ? letter : letter.toUpperCase();
    else text += execute ? 'x' : '-';
  }
  return text;
}

/** `2024-05-01 12:00:00`, in UTC: the result must not depend on where it is shown. */
export function formatTime({ seconds }: Timestamp): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `@${seconds}`;
  return date
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, '');
}

/** Size of a file, numbers of a device, nothing for others. */
export function formatExtent({ type, size, major, minor }: Described): string {
  if (type === 'block' || type === 'character') return `${major}, ${minor}`;
  return type === 'file' ? String(size ?? 0) : '';
}

/** ` -> TARGET` of a symlink, else nothing. */
export function formatTarget({ target }: Described): string {
  return target === undefined ? '' : ` -> ${printable(target)}`;
}

/** As JSON: the mode in octal, the time as seconds and nanoseconds, xattrs' values as base64. */
export function jsonInode(inode: Described): Record<string, unknown> {
  const { type, mode, uid, gid, mtime, size, target, major, minor, xattrs } = inode;
  return {
    ...{ type, mode: mode.toString(8).padStart(4, '0'), uid, gid, mtime },
    ...(type === 'file' && { size }),
    ...(target !== undefined && jsonBytes('target', target)),
    ...((type === 'block' || type === 'character') && { major, minor }),
    ...(xattrs !== undefined &&
      xattrs.size > 0 && {
        xattrs: [...xattrs].map(([name, value]) => ({
          ...jsonBytes('name', name),
          valueBase64: Buffer.from(value).toString('base64'),
        })),
      }),
  };
}
