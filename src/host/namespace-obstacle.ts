import { readFileSync, statSync } from 'node:fs';
import { findProgram } from './find-program.ts';
import { adviseSubordinateIds, findSubordinateIds } from './subordinate-ids.ts';
import { readXattrs } from './xattr.ts';

/** Why something cannot be had, and what to do about it. */
export interface Obstacle {
  readonly reason: string;
  readonly hint: string;
}

const programs = [
  { name: 'unshare', hint: 'install util-linux' },
  { name: 'nsenter', hint: 'install util-linux' },
  { name: 'newuidmap', hint: 'install uidmap (shadow-utils, shadow-uidmap)' },
  { name: 'newgidmap', hint: 'install uidmap (shadow-utils, shadow-uidmap)' },
] as const;

/**
 * What stands in the way of an ordinary user who wants a user namespace with subordinate ids, as far as it can be known without
 * trying; `undefined` if nothing does.
 */
export async function findNamespaceObstacle(): Promise<Obstacle | undefined> {
  const forbidden = findForbiddingSetting();
  if (forbidden !== undefined) return forbidden;
  const missing = programs.find(({ name }) => findProgram(name) === undefined);
  if (missing !== undefined) return { reason: `there is no program ${missing.name}`, hint: missing.hint };
  const { user, uids, gids } = await findSubordinateIds();
  if (uids.length === 0 || gids.length === 0) {
    const kind = uids.length === 0 ? 'user' : 'group';
    return { reason: `${user} has no subordinate ${kind} ids`, hint: adviseSubordinateIds(user) };
  }
  return undefined;
}

/** What may be the reason if a namespace could not be made although `findNamespaceObstacle` saw none. */
export function suspectNamespaceObstacle(): Obstacle | undefined {
  if (readSetting('kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return {
      reason: 'AppArmor keeps programs that it has no profile for from using user namespaces',
      hint: 'as root run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    };
  }
  const weak = ['newuidmap', 'newgidmap'].find(name => !isPrivileged(findProgram(name)));
  if (weak !== undefined) {
    return {
      reason: `${weak} has lost its privileges`,
      hint: `as root run: chmod u+s ${findProgram(weak)}`,
    };
  }
  if (/^NoNewPrivs:\s*1$/m.test(readText('/proc/self/status'))) {
    return {
      reason: 'this process may not gain privileges (no_new_privs), not even through newuidmap',
      hint: 'start Shale without that restriction',
    };
  }
  return undefined;
}

/** A setting of the kernel that forbids user namespaces. */
export function findForbiddingSetting(): Obstacle | undefined {
  if (readSetting('user/max_user_namespaces') === '0') {
    return {
      reason: 'this machine allows no user namespaces (user.max_user_namespaces is 0)',
      hint: 'as root run: sysctl -w user.max_user_namespaces=15000',
    };
  }
  if (readSetting('kernel/unprivileged_userns_clone') === '0') {
    return {
      reason: 'this machine allows user namespaces to root only (kernel.unprivileged_userns_clone is 0)',
      hint: 'as root run: sysctl -w kernel.unprivileged_userns_clone=1',
    };
  }
  return undefined;
}

/** Setuid, or with file capabilities. */
function isPrivileged(path: string | undefined): boolean {
  if (path === undefined) return false;
  return Math.floor(statSync(path).mode / 0o4000) % 2 === 1 || readXattrs(path).has('security.capability');
}

/** A setting of sysctl(8); `undefined` where this kernel has no such. */
function readSetting(name: string): string | undefined {
  return readText(`/proc/sys/${name}`).trim() || undefined;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
