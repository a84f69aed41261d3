import { readFileSync } from 'node:fs';
import type { ByteString } from '../tree/index.ts';

/** A line of /proc/PID/mountinfo (proc(5)). */
export interface MountPoint {
  /** The kernel's number for it, which may be used again when it is gone. */
  readonly id: string;
  /** Where it is mounted. */
  readonly target: ByteString;
  /** What of the filesystem is shown there: `/`, or what a bind mount has taken. */
  readonly root: ByteString;
  /** `major:minor` of the filesystem. */
  readonly device: string;
  readonly type: string;
  readonly source: ByteString;
  /** Of the place, such as `ro` and `nosuid`. */
  readonly attributes: readonly string[];
  /** Of the filesystem, such as `lowerdir=…`. */
  readonly options: ByteString;
}

/** What this process sees mounted, in the order of mounting: of several with one target the last one shows. Empty without /proc. */
export function listMounts(): MountPoint[] {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'latin1');
  } catch {
    return [];
  }
  return text.split('\n').flatMap(parseMount);
}

/** What is mounted at exactly this path, or `undefined`. */
export function findMount(target: ByteString): MountPoint | undefined {
  return listMounts().findLast(mount => mount.target === target);
}

/** What is mounted at this path and below it; the path as the kernel has it, without symlinks. */
export function listMountsIn(path: ByteString): MountPoint[] {
  const below = path.endsWith('/') ? path : `${path}/`;
  return listMounts().filter(({ target }) => target === path || target.startsWith(below));
}

/** `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: any number of fields before the dash. */
function parseMount(line: string): MountPoint[] {
  const words = line.split(' ');
  const dash = words.indexOf('-', 6);
  if (dash < 0) return [];
  const [id, , device, root, target, attributes] = words;
  const [type, source, options] = words.slice(dash + 1);
  if (options === undefined) return [];
  return [
    {
      ...{ id: id!, device: device!, type: type!, attributes: attributes!.split(','), options },
      ...{ root: decode(root!), target: decode(target!), source: decode(source!) },
    },
  ];
}

/** Blanks, tabs, newlines and backslashes stand as octal numbers. */
function decode(text: string): ByteString {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
