import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import { type FileLock, findDataRoot, tryLock } from '../../host/index.ts';
import type { DriverChoice, DriverName, Snapshots } from '../../snapshot/index.ts';
import { openSnapshots, usedDrivers } from '../snapshot/open.ts';

export interface ServedOptions {
  /** The data root; the usual one if absent. */
  readonly root?: string | undefined;
  /** If absent the one that has been used here, else one that is found by trying. */
  readonly driver?: DriverName | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
  readonly onChoice?: ((choice: DriverChoice) => void) | undefined;
}

/** Snapshots that a daemon serves, and that no other daemon does. */
export interface Served extends AsyncDisposable {
  readonly snapshots: Snapshots;
  /** Where they are. */
  readonly directory: string;
}

/**
 * Opens the snapshots that containerd is served. They are apart from those of people's own commands, for containerd removes whatever it finds and does
 * not know. ShaleError `conflict` while another daemon serves them.
 */
export async function openServed(options: ServedOptions = {}): Promise<Served> {
  const directory = join(options.root ?? findDataRoot(), 'containerd');
  using lock = lockServed(directory);
  const { driver = findUsed(directory), settings, onChoice } = options;
  const snapshots = await openSnapshots({ root: directory, driver, settings, onChoice });
  const held = lock.take();
  return {
    snapshots,
    directory,
    async [Symbol.asyncDispose]() {
      try {
        await snapshots.close();
      } finally {
        held[Symbol.dispose]();
      }
    },
  };
}

/** What was used before is used again: containerd knows those snapshots. */
function findUsed(directory: string): DriverName | undefined {
  const used = usedDrivers(directory);
  if (used.length < 2) return used[0];
  throw new ShaleError('invalid', `in ${directory} are snapshots of ${used.join(' and ')}`, {
    detail: { directory, drivers: used },
    hint: 'say which of them with --driver',
  });
}

/** A lock that is let go unless it was taken. */
interface LockDraft extends Disposable {
  take(): FileLock;
}

function lockServed(directory: string): LockDraft {
  let lock: FileLock | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    lock = tryLock(join(directory, 'serve.lock'));
  } catch (error) {
    throw wrapErrno(error, `cannot open the snapshots in ${directory}`);
  }
  if (lock === undefined) {
    throw new ShaleError('conflict', `another daemon serves the snapshots in ${directory}`, {
      detail: { directory },
      hint: 'stop it, or name another place with --root',
    });
  }
  let held: FileLock | undefined = lock;
  return {
    take() {
      held = undefined;
      return lock;
    },
    [Symbol.dispose]: () => held?.[Symbol.dispose](),
  };
}
