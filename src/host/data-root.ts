import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { findVariable, isRoot } from './environment.ts';
import { HostError } from './error.ts';
import { inUserNamespace } from './user-namespace.ts';

/**
 * Where the cache is unless the user says otherwise: SHALE_ROOT; for root /var/lib/shale; else `shale` in
 * $XDG_DATA_HOME, or in ~/.local/share where that is unset or, against its specification, relative.
 */
export function findDataRoot(): string {
  const given = findVariable('SHALE_ROOT');
  if (given !== undefined) return given;
  if (isRoot() && ownsMachine()) return '/var/lib/shale';
  const data = findVariable('XDG_DATA_HOME');
  if (data !== undefined && isAbsolute(data)) return join(data, 'shale');
  return join(findHome(), '.local', 'share', 'shale');
}

/** Whether root here is the root of all that is here: of the machine or a container, not of a namespace in which a user calls himself so. */
function ownsMachine(): boolean {
  return !inUserNamespace() || statSync('/').uid === 0;
}

/** HostError `not-found` for a user who has none, as in some containers. */
function findHome(): string {
  try {
    return findVariable('HOME') ?? homedir();
  } catch (error) {
    throw new HostError('not-found', 'there is no place for the cache: this user has no home directory', {
      cause: error,
      hint: 'name a directory with --root or SHALE_ROOT, or set HOME',
    });
  }
}
