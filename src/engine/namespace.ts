import {
  endNamespace,
  enteringWords,
  findDataRoot,
  findProgram,
  findVariable,
  HostError,
  handOver,
  inheritedEnvironment,
  inUserNamespace,
  isInside,
  isRoot,
  openNamespace,
} from '../host/index.ts';

export interface NamespaceOptions {
  /** The cache; it has the namespace. */
  readonly root?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the process root in the user's namespace, for work that takes mapped ids or leaves mounts: where the user is not root, Shale starts
 * anew inside with the same command line, in the same process, and this does not return. Root, be it of a namespace, is left where it is.
 * To be called before anything was done. HostErrors of `openNamespace`.
 */
export async function enterNamespace({
  root = findDataRoot(),
  signal,
}: NamespaceOptions = {}): Promise<void> {
  if (isRoot() || process.platform !== 'linux') return;
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

/** Inside, the user is root, whose cache would be another one. */
function environment(root: string): Readonly<Record<string, string | undefined>> {
  return { ...inheritedEnvironment(), SHALE_ROOT: root };
}
