import { isErrno } from '../error/index.ts';
import { type ByteString, printable } from '../tree/index.ts';
import { HostError } from './error.ts';
import { hasLibc } from './libc.ts';
import type { Losses } from './losses.ts';
import { makeNode, mostMajor, mostMinor } from './node.ts';

export type SpecialFile =
  | { readonly type: 'block' | 'character'; readonly major: number; readonly minor: number }
  | { readonly type: 'fifo' | 'socket' };

/**
 * Creates a device, a fifo or a socket at `at`, which messages call `path`. False if the system does not permit it, which
 * is counted. HostError `unsupported` for device numbers that Linux does not have; otherwise throws as `fs` does.
 */
export function createSpecialFile(
  at: ByteString,
  path: ByteString,
  file: SpecialFile,
  losses: Losses,
): boolean {
  const device = file.type === 'block' || file.type === 'character';
  if (device && (file.major > mostMajor || file.minor > mostMinor)) {
    const number = `${file.major}:${file.minor}`;
    throw new HostError('unsupported', `/${printable(path)}: device ${number} is over 12 and 20 bits`);
  }
  try {
    if (hasLibc()) {
      if (device) makeNode(at, file.type, file.major, file.minor);
      else makeNode(at, file.type);
      return true;
    }
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EACCES')) throw error;
  }
  losses.add(device ? 'device' : 'node');
  return false;
}
