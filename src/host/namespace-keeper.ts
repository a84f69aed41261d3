import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { type Daemon, spawnDaemon } from './daemon.ts';
import { HostError } from './error.ts';
import { findProgram } from './find-program.ts';
import { findNamespaceObstacle, type Obstacle, suspectNamespaceObstacle } from './namespace-obstacle.ts';
import { isRunning, type ProcessIdentity, signalProcess } from './process.ts';
import { runProgram } from './program.ts';
import { findSubordinateIds, type IdRange } from './subordinate-ids.ts';

/**
 * What the keeper does: says that it is there, waits until its ids are mapped, then does nothing for ever. Ends if we are gone before that.
 */
const vigil = 'echo && read -r _ && exec sleep 2147483647 </dev/null >/dev/null 2>&1';

/** In milliseconds. */
const patience = 10_000;

/**
 * Starts a process that does nothing but live in a new user and mount namespace, where it is root and the user's subordinate ids are
 * 1, 2, 3, …; others can enter as long as it lives. What the machine mounts from now on appears inside, what is mounted inside stays there. Node
 * itself cannot change its user namespace, for it has threads. `record` is called when all is ready but one word: if we are killed before that was said,
 * the keeper ends, so none lives that was not recorded.
 * HostError `unsupported` or `denied`, with what to do about it; nothing is left running then.
 */
export async function startKeeper(record: (keeper: ProcessIdentity) => void): Promise<ProcessIdentity> {
  const obstacle = await findNamespaceObstacle();
  if (obstacle !== undefined) throw explain(obstacle);
  const ids = await findSubordinateIds();
  const words = ['--user', '--mount', '--propagation', 'slave', '/bin/sh', '-c', vigil];
  const keeper = await spawnDaemon(findProgram('unshare')!, words, {
    directory: '/',
    environment: { PATH: '/usr/bin:/bin', SHALE: 'namespace keeper' },
    readOutput: true,
    held: true,
  });
  const { pid } = keeper.identity;
  try {
    await awaitLine(keeper);
    await map('newuidmap', pid, process.geteuid!(), ids.uids);
    await map('newgidmap', pid, process.getegid!(), ids.gids);
    record(keeper.identity);
    keeper.release();
    await awaitSleep(keeper);
    return keeper.identity;
  } catch (error) {
    signalProcess(keeper.identity, 'SIGKILL');
    throw error;
  } finally {
    keeper.detach();
  }
}

/** Until the process has its namespaces. */
async function awaitLine(keeper: Daemon): Promise<void> {
  const line = new Promise<true>(resolve => keeper.stdout!.once('data', () => resolve(true)));
  const clock = new AbortController();
  const late = setTimeout(patience, false, { signal: clock.signal }).catch(() => false);
  try {
    if ((await Promise.race([line, keeper.ended, late])) === true) return;
  } finally {
    clock.abort();
  }
  throw explain(suspectNamespaceObstacle(), keeper.errorText());
}

/** newuidmap(1): the user is 0, then come his subordinate ids, in their order. */
async function map(name: string, pid: number, id: number, ranges: readonly IdRange[]): Promise<void> {
  const words = [0, id, 1];
  let next = 1;
  for (const { start, count } of ranges) {
    words.push(next, start, count);
    next += count;
  }
  const { status, stderr } = await runProgram(findProgram(name)!, [pid, ...words].map(String));
  if (status !== 0) throw explain(suspectNamespaceObstacle(), stderr.toString());
}

/** Until it needs us no more. */
async function awaitSleep(keeper: Daemon): Promise<void> {
  const { identity } = keeper;
  for (const end = Date.now() + patience; Date.now() < end && isRunning(identity); await setTimeout(2)) {
    if (readFileSync(`/proc/${identity.pid}/comm`, 'latin1').trim() === 'sleep') return;
  }
  throw explain(undefined, keeper.errorText());
}

function explain(obstacle: Obstacle | undefined, words = ''): HostError {
  const said = words.trim().split('\n').at(-1);
  const reason = obstacle?.reason ?? (said || 'it did not come up');
  return new HostError(
    obstacle === undefined ? 'denied' : 'unsupported',
    `cannot make a user namespace: ${reason}`,
    {
      ...(said && { detail: { words: said } }),
      hint: obstacle?.hint ?? 'run Shale as root, or allow user namespaces to this user',
    },
  );
}
