import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { findVariable } from '../../host/index.ts';

/** Where auth files are looked for. */
export interface AuthPlaces {
  /** In order. */
  readonly paths: readonly string[];
  /** Whether the user named the one path: it must be there, and no other is looked at. */
  readonly given: boolean;
}

/**
 * The order of containers-auth.json(5), which starts with Podman's file for this login and ends with Docker's:
 * `authFile`, else REGISTRY_AUTH_FILE; without either
 *
 *     $XDG_RUNTIME_DIR/containers/auth.json       (/run/containers/UID/auth.json where the variable is unset)
 *     $XDG_CONFIG_HOME/containers/auth.json       (~/.config)
 *     $DOCKER_CONFIG/config.json                  (~/.docker)
 *
 * `variable` stands in for the environment.
 */
export function findAuthPlaces(authFile: string | undefined, variable = findVariable): AuthPlaces {
  const given = authFile ?? variable('REGISTRY_AUTH_FILE');
  if (given !== undefined) return { paths: [resolve(given)], given: true };
  const home = variable('HOME') ?? homedir();
  const runtime = variable('XDG_RUNTIME_DIR');
  const paths = [
    join(
      runtime ?? '/run',
      'containers',
      runtime === undefined ? String(process.getuid?.() ?? 0) : '',
      'auth.json',
    ),
    configuredAuthFile(variable),
    join(variable('DOCKER_CONFIG') ?? join(home, '.docker'), 'config.json'),
  ];
  return { paths, given: false };
}

/** Where a new file is made when there is none: it outlives the login, unlike $XDG_RUNTIME_DIR. */
export function configuredAuthFile(variable = findVariable): string {
  const home = variable('HOME') ?? homedir();
  return join(variable('XDG_CONFIG_HOME') ?? join(home, '.config'), 'containers', 'auth.json');
}
