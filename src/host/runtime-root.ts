import { isAbsolute, join } from 'node:path';
import { findVariable, isRoot } from './environment.ts';
import { HostError } from './error.ts';

/**
 * Where sockets of ours are, and whatever else ends with the machine's uptime: /run/shale for root, else `shale` in
 * $XDG_RUNTIME_DIR. HostError `not-found` where a user has none.
 */
export function findRuntimeRoot(): string {
  if (isRoot()) return '/run/shale';
  const directory = findVariable('XDG_RUNTIME_DIR');
  if (directory !== undefined && isAbsolute(directory)) return join(directory, 'shale');
  throw new HostError('not-found', 'there is no place for sockets: XDG_RUNTIME_DIR is not set', {
    hint: 'log in by way of a session manager, set XDG_RUNTIME_DIR to a directory of your own, or name a socket with --address',
  });
}
