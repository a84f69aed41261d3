import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../error/index.ts';
import { HostError, throwIfAborted } from './error.ts';
import { findProgram } from './find-program.ts';
import { type FileLock, tryLock } from './lock.ts';
import { startKeeper } from './namespace-keeper.ts';
import { identifyProcess, isRunning, type ProcessIdentity, signalProcess } from './process.ts';
import { replaceFile } from './replace-file.ts';

/**
 * The user's own namespace: user ids and mounts as an ordinary user has them. It outlives commands, so that what one of them has mounted another finds; a
 * small process keeps it (`startKeeper`), which a file in `directory`, the data root, names. A directory has one namespace. It ends with the machine, or by
 * `endNamespace`. Why so: doc/decision/0023-the-users-namespace.md.
 */
export interface Namespace {
  readonly keeper: ProcessIdentity;
}

const recordName = 'namespace.json';
const lockName = 'namespace.lock';
/** How long another process may take to make the namespace, and how long processes get to end, in milliseconds. */
const patience = 15_000;

/** The namespace that is there, or `undefined`. Throws as `fs` does. */
export function findNamespace(directory: string): Namespace | undefined {
  try {
    const keeper: unknown = JSON.parse(readFileSync(join(directory, recordName), 'utf8'));
    return isIdentity(keeper) && isRunning(keeper) ? { keeper } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The namespace that is there, else a new one. HostErrors as `startKeeper`. */
export async function openNamespace(directory: string, signal?: AbortSignal): Promise<Namespace> {
  const found = findNamespace(directory);
  if (found !== undefined) return found;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  using _lock = await lock(directory, signal);
  const made = findNamespace(directory);
  if (made !== undefined) return made;
  const record = (keeper: ProcessIdentity) =>
    replaceFile(join(directory, recordName), Buffer.from(`${JSON.stringify(keeper)}\n`));
  return { keeper: await startKeeper(record) };
}

/**
 * The command line that runs another one inside, as its root, in this working directory. The first word is an absolute path; whatever runs it needs
 * nothing but the rights of the user whose namespace it is.
 */
export function enteringWords({ keeper }: Namespace, words: readonly string[]): string[] {
  const target = [`--target=${keeper.pid}`, '--user', '--mount', '--preserve-credentials'];
  // The working directory is one of the other mount namespace until it is looked up in this one.
  const change = 'cd -- "$1" && shift && exec "$@"';
  return [findProgram('nsenter')!, ...target, '--', '/bin/sh', '-c', change, 'sh', process.cwd(), ...words];
}

/** Whether this process lives in it. */
export function isInside({ keeper }: Namespace): boolean {
  const ours = findMountNamespace(process.pid);
  return ours !== undefined && ours === findMountNamespace(keeper.pid);
}

/** Who lives in a namespace, beside its keeper and ourselves. */
export function listInhabitants({ keeper }: Namespace): ProcessIdentity[] {
  const namespace = findMountNamespace(keeper.pid);
  if (namespace === undefined) return [];
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => pid !== keeper.pid && pid !== process.pid && findMountNamespace(pid) === namespace)
    .flatMap(pid => identifyProcess(pid) ?? []);
}

/**
 * Ends the namespace with all that is mounted in it; false if there was none. While programs run in it that is a `conflict`,
 * unless `force` is set: then they are asked to end, and killed if they do not.
 */
export async function endNamespace(
  directory: string,
  { force = false, signal }: { readonly force?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  using _lock = await lock(directory, signal);
  const namespace = findNamespace(directory);
  if (namespace !== undefined) {
    const inhabitants = listInhabitants(namespace);
    if (inhabitants.length > 0 && !force) throw inhabited(inhabitants);
    await end(inhabitants);
    await end([namespace.keeper]);
  }
  rmSync(join(directory, recordName), { force: true });
  return namespace !== undefined;
}

/** SIGTERM, which a filesystem's program takes for unmounting; then, if need be, SIGKILL. */
async function end(processes: readonly ProcessIdentity[]): Promise<void> {
  for (const process of processes) signalProcess(process, 'SIGTERM');
  const rest = () => processes.filter(isRunning);
  for (const until = Date.now() + patience; rest().length > 0 && Date.now() < until; ) await pause();
  for (const process of rest()) signalProcess(process, 'SIGKILL');
}

async function lock(directory: string, signal: AbortSignal | undefined): Promise<FileLock> {
  const path = join(directory, lockName);
  for (const until = Date.now() + patience; ; await pause()) {
    throwIfAborted(signal);
    const taken = tryLock(path);
    if (taken !== undefined) return taken;
    if (Date.now() > until) {
      throw new HostError('unavailable', `another process has been busy with ${path} for too long`, {
        detail: { path },
        hint: 'end that process, and try again',
      });
    }
  }
}

function inhabited(inhabitants: readonly ProcessIdentity[]): HostError {
  const pids = inhabitants.map(({ pid }) => pid);
  const shown = pids.slice(0, 5).join(', ') + (pids.length > 5 ? ', …' : '');
  return new HostError('conflict', `processes live in the namespace: ${shown}`, {
    detail: { pids },
    hint: 'end them, unmount what they serve, or use --force',
  });
}

/** `undefined` for a process that is gone, or is not the user's. */
function findMountNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

function isIdentity(value: unknown): value is ProcessIdentity {
  const { pid } = (value ?? {}) as { pid?: unknown };
  return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 1;
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 20));
}
