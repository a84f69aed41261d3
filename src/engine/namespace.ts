import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  callInNamespace,
  endNamespace,
  enteringWords,
  findDataRoot,
  findNamespaceObstacle,
  findProgram,
  findSubordinateIds,
  findVariable,
  HostError,
  handOver,
  inheritedEnvironment,
  inUserNamespace,
  isInside,
  isRoot,
  openNamespace,
} from '../host/index.ts';
import type { DoctorCheck } from './zone/report.ts';

export interface NamespaceOptions {
  /** The cache; it has the namespace. */
  readonly root?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the process root in the user's namespace, for work that takes mapped ids or leaves mounts: where the user is not root, Shale starts
 * anew inside with the same command line, in the same process, and this does not return. Root, be it of a namespace, is left where it is; so is
 * everybody if it is not `needed` and the cache has no snapshots. To be called before anything was done. HostErrors of `openNamespace`.
 */
export async function enterNamespace(
  options: NamespaceOptions & { readonly needed: boolean },
): Promise<void> {
  const { root = findDataRoot(), signal, needed } = options;
  if (isRoot() || process.platform !== 'linux') return;
  if (!needed && !existsSync(join(root, 'snapshots'))) return;
  const namespace = await openNamespace(root, signal);
  if (isInside(namespace)) {
    throw new HostError('internal', 'this user is not root in the namespace that was made for that', {
      detail: { root },
      hint: 'shale unshare --end',
    });
  }
  const [, script = ''] = process.argv;
  const words = [process.execPath, ...process.execArgv, script, ...process.argv.slice(2)];
  handOver(enteringWords(namespace, words), environment(root));
}

/**
 * Becomes a command, or the user's shell, in the user's namespace; never returns. Where we are root of a namespace already, the command
 * runs there. HostError `invalid` for root of the machine, who needs none, `not-found`.
 */
export async function unshare(
  command: readonly string[],
  { root = findDataRoot(), signal }: NamespaceOptions = {},
): Promise<never> {
  if (isRoot() && !inUserNamespace()) {
    throw new HostError('invalid', 'root has no namespace: what root mounts is mounted on this machine', {
      hint: 'run the command as it is',
    });
  }
  const [name = findVariable('SHELL') ?? '/bin/sh', ...rest] = command;
  const program = findProgram(name);
  if (program === undefined) {
    throw new HostError('not-found', `there is no program ${name}`, {
      detail: { program: name },
      hint: 'check the path, or add its directory to PATH',
    });
  }
  const words = [program, ...rest];
  if (isRoot()) return handOver(words, environment(root));
  return handOver(enteringWords(await openNamespace(root, signal), words), environment(root));
}

/** Ends the namespace, with what is mounted in it; false if there was none. HostError `conflict` while programs run there, unless `force` is set. */
export async function endUserNamespace(
  options: NamespaceOptions & { readonly force?: boolean } = {},
): Promise<boolean> {
  const { root = findDataRoot(), force = false, signal } = options;
  return await endNamespace(root, { force, signal });
}

/**
 * Calls a function of a module of ours as it is where the user is root: here, or in his namespace, from where argument and result come and go as JSON.
 * `module` is its `import.meta.url`.
 */
export async function asRoot<T>(
  { module, name }: { readonly module: string; readonly name: string },
  call: (argument: NamespaceOptions) => Promise<T>,
  { root = findDataRoot(), signal }: NamespaceOptions,
): Promise<T> {
  if (isRoot() || process.platform !== 'linux') return await call({ root, signal });
  return (await callInNamespace(await openNamespace(root, signal), module, name, { root }, { signal })) as T;
}

/** Whether an ordinary user can have a namespace, found out by having one; nothing is said of root, who needs none. */
export async function checkNamespace({
  root = findDataRoot(),
}: NamespaceOptions = {}): Promise<DoctorCheck[]> {
  if (isRoot()) return [];
  const name = 'user namespace';
  const obstacle = await findNamespaceObstacle();
  if (obstacle !== undefined) return [{ name, ok: false, detail: obstacle.reason, hint: obstacle.hint }];
  try {
    await openNamespace(root);
    const { uids } = await findSubordinateIds();
    const ids = uids.reduce((sum, { count }) => sum + count, 0);
    // Images of all distributions know of 65534, nobody.
    return ids >= 65_535
      ? [{ name, ok: true, detail: `works, with ${ids} subordinate ids` }]
      : [
          {
            name,
            ok: 'degraded',
            detail: `only ${ids} subordinate ids`,
            hint: 'images have ids up to 65534',
          },
        ];
  } catch (error) {
    const { message, hint } = error as HostError;
    return [{ name, ok: false, detail: message, ...(hint !== undefined && { hint }) }];
  }
}

/** Inside, the user is root, whose cache would be another one. */
function environment(root: string): Readonly<Record<string, string | undefined>> {
  return { ...inheritedEnvironment(), SHALE_ROOT: root };
}
