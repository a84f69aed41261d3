import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../../error/index.ts';
import { findVariable } from '../../host/index.ts';

/** Files with `[[registry]]` tables; a later one replaces the tables of an earlier one. */
export interface RegistriesFiles {
  readonly main: string;
  /** Whether somebody named it: then it must be there. */
  readonly given: boolean;
  /** Directories whose `*.conf` files come after it, in the order of their names. */
  readonly dropIns: readonly string[];
}

/**
 * containers-registries.conf(5) and .conf.d(5): CONTAINERS_REGISTRIES_CONF, else the user's own file, with which the
 * system's are not looked at, else the system's. A file that the caller names has its drop-ins in `FILE.d`.
 */
export async function findRegistriesFiles(
  given: string | undefined,
  variable = findVariable,
): Promise<RegistriesFiles> {
  if (given !== undefined) return { main: given, given: true, dropIns: [`${given}.d`] };
  const own = join(configHome(variable), 'containers', 'registries.conf');
  const system = '/etc/containers/registries.conf';
  const named = variable('CONTAINERS_REGISTRIES_CONF');
  if (named !== undefined) return { main: named, given: true, dropIns: [`${system}.d`, `${own}.d`] };
  if (await isFile(own)) return { main: own, given: false, dropIns: [`${own}.d`] };
  return { main: system, given: false, dropIns: [`${system}.d`, `${own}.d`] };
}

/** Where directories of registries are, `HOST[:PORT]`: the user's first, then Podman's, Docker's and containerd's. */
export function findCertsDirectories(variable = findVariable): string[] {
  return [
    join(configHome(variable), 'containers', 'certs.d'),
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
    '/etc/containerd/certs.d',
  ];
}

/** The `*.conf` files of a directory, by name; none if it is not there. */
export async function listDropIns(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter(name => name.endsWith('.conf'))
      .sort()
      .map(name => join(directory, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw wrapErrno(error, `cannot read the configuration in ${directory}`);
  }
}

/** What the user configures for himself: $XDG_CONFIG_HOME, else ~/.config. */
function configHome(variable: typeof findVariable): string {
  return variable('XDG_CONFIG_HOME') ?? join(variable('HOME') ?? homedir(), '.config');
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
