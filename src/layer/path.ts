import type { ByteString } from '../tree/index.ts';

/** A path that needs work: an empty, `.` or `..` component, or a NUL anywhere. */
const unclean = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/** Why rule 1 rejects a path. */
export interface PathFault {
  readonly fault: string;
}

/**
 * Rule 1: without leading `/` and `./`, doubled and trailing slashes and `.` components; '' is the root. A `..`
 * component, a NUL and an empty path are faults.
 */
export function normalisePath(raw: ByteString): ByteString | PathFault {
  if (raw === '') return { fault: 'is empty' };
  let path = raw;
  if (path.startsWith('./')) path = path.slice(2);
  if (path.endsWith('/')) path = path.slice(0, -1);
  if (path !== '' && !unclean.test(path)) return path;
  if (path.includes('\0')) return { fault: 'holds a NUL byte' };
  const names = path.split('/').filter(name => name !== '' && name !== '.');
  return names.includes('..') ? { fault: 'holds a ".." component' } : names.join('/');
}

export function countComponents(path: ByteString): number {
  if (path === '') return 0;
  let count = 1;
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) count += 1;
  return count;
}
