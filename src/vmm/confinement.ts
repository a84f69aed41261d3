import { existsSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, isRoot } from '../host/index.ts';

/**
 * How a hypervisor is kept in. `namespaces`: it has its own mounts (of the host it sees the system's programs and
 * /dev, no home, no data, no other process), ipc, host name, and no network unless it has to provide one. `identity`:
 * as that user only, without namespaces. Always: no capabilities, no new privileges, no core dumps.
 */
export type ConfinementLevel = 'namespaces' | 'identity' | 'privileges';

export interface ConfinementOptions {
  /** The machine's directory, which the launcher may write to. */
  readonly directory: string;
  readonly level: ConfinementLevel;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly groups?: readonly number[] | undefined;
  /** Whether it needs the host's network. */
  readonly network: boolean;
  /** Bytes of a /dev/shm of its own; without, it can keep nothing there. */
  readonly sharedMemory?: number | undefined;
}

export interface Confined {
  readonly program: string;
  readonly arguments: readonly string[];
}

/** What stays visible of the root directory: programs, libraries, the configuration of their loader, devices, itself. */
const visible = new Set(['bin', 'sbin', 'usr', 'etc', 'dev', 'proc', 'sys', 'nix', 'gnu']);
const hiding = 'ro,nosuid,nodev,noexec,size=4k,nr_inodes=2,mode=755';
const fstab = 'mounts';

/**
 * The shell sets limits, mounts what the table says, waits for a line on its standard input, and drops what is left of privilege; each
 * step replaces the last. Should who started it end before that line comes, it ends too.
 */
const script =
  'ulimit -c 0 && if [ -n "$1" ]; then mount -n -a -T "$1" || exit 125; fi && shift && read -r go && exec setpriv "$@" </dev/null';

/** The exit status with which confinement says that it could not be set up; the reason is in the error text. */
export const confinementFailed = 125;

/** A command line that runs `program` confined, in the same process. No path of the host is in it but the program's. */
export function confine(
  program: string,
  programArguments: readonly string[],
  options: ConfinementOptions,
): Confined {
  const { directory, level, user, network, groups = [] } = options;
  const separate = level === 'namespaces';
  if (separate)
    writeFileSync(
      join(directory, fstab),
      mountTable(network ? [program, ...nameServers()] : [program], options.sharedMemory),
      { mode: 0o600 },
    );
  const drop = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'];
  if (isRoot() && user !== undefined) {
    drop.push(`--reuid=${user.uid}`, `--regid=${user.gid}`);
    drop.push(groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups');
  }
  // Without root there are no capabilities to lose, and none to change the bounding set with.
  const privileges = isRoot() || separate ? drop : ['--no-new-privs'];
  const shell = [
    '-c',
    script,
    'sh',
    separate ? fstab : '',
    ...privileges,
    '--',
    program,
    ...programArguments,
  ];
  if (!separate) return { program: '/bin/sh', arguments: shell };
  const namespaces = [
    '--mount',
    '--ipc',
    '--uts',
    ...(network ? [] : ['--net']),
    ...(isRoot() ? [] : ['--map-root-user']),
  ];
  return { program: 'unshare', arguments: [...namespaces, '--', '/bin/sh', ...shell] };
}

/** The levels to try, best first. */
export function confinementLevels(): readonly ConfinementLevel[] {
  if (findProgram('setpriv') === undefined) return [];
  const levels: ConfinementLevel[] = isRoot() ? ['identity'] : ['privileges'];
  if (findProgram('unshare') !== undefined && findProgram('mount') !== undefined)
    levels.unshift('namespaces');
  return levels;
}

/** fstab(5): an empty directory over each of the root's that is not the system's, and a /proc without other processes. */
function mountTable(needed: readonly string[], sharedMemory: number | undefined): string {
  const hidden = readdirSync('/', { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .filter(
      name =>
        !visible.has(name) && !name.startsWith('lib') && !needed.some(path => path.startsWith(`/${name}/`)),
    )
    .filter(name => /^[\w.+-]+$/.test(name));
  const lines = hidden.map(name => `shale /${name} tmpfs ${hiding} 0 0`);
  const shared = sharedMemory === undefined ? hiding : `nosuid,nodev,size=${sharedMemory},mode=1777`;
  if (existsSync('/dev/shm')) lines.push(`shale /dev/shm tmpfs ${shared} 0 0`);
  if (existsSync('/dev/mqueue')) lines.push(`shale /dev/mqueue tmpfs ${hiding} 0 0`);
  if (isRoot()) lines.push('shale /proc proc nosuid,nodev,noexec,hidepid=invisible 0 0');
  return `${lines.join('\n')}\n`;
}

/** Where the list of name servers really is, which a user-mode network reads: with some resolvers, below /run. */
function nameServers(): string[] {
  try {
    return [realpathSync('/etc/resolv.conf')];
  } catch {
    return [];
  }
}
