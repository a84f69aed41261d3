import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** A server that runs beside the benchmark; what it prints goes to a file. */
export interface Daemon extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly log: string;
}

const patience = 30_000;

/** Starts `program`, and waits until `isReady` holds; throws with the end of its log where that does not come. */
export async function startDaemon(
  program: string,
  args: readonly string[],
  log: string,
  isReady: () => boolean | Promise<boolean>,
): Promise<Daemon> {
  mkdirSync(path.dirname(log), { recursive: true });
  const output = openSync(log, 'w');
  const child = spawn(program, args, { stdio: ['ignore', output, output] });
  closeSync(output);
  const ended = new Promise<void>(resolve =>
    child.once('exit', () => resolve()).once('error', () => resolve()),
  );
  const isRunning = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const stop = async () => {
    if (!isRunning()) return;
    child.kill('SIGTERM');
    const timer = new AbortController();
    const late = setTimeout(patience, undefined, { signal: timer.signal }).then(
      () => child.kill('SIGKILL'),
      () => undefined,
    );
    await ended;
    timer.abort();
    await late;
  };
  const deadline = performance.now() + patience;
  while (!(await isReady())) {
    if (isRunning() && performance.now() < deadline) {
      await setTimeout(20);
      continue;
    }
    await stop();
    throw new Error(`${program} did not start:\n${readFileSync(log, 'utf8').slice(-2000)}`);
  }
  return { process: child, log, [Symbol.asyncDispose]: stop };
}

/** CPU seconds of `root` and its descendants, those that have ended and been waited for included. */
export function cpuSeconds(root: number): number {
  const processes = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(readStatus);
  const family = new Set([root]);
  for (let size = 0; size < family.size; ) {
    size = family.size;
    for (const { pid, parent } of processes) if (family.has(parent)) family.add(pid);
  }
  const ticks = processes.filter(({ pid }) => family.has(pid)).reduce((sum, each) => sum + each.ticks, 0);
  return ticks / 100;
}

/** proc(5): after the name, which may hold anything, the fourth field is the parent, the 14th to the 17th are times. */
function readStatus(pid: string): { pid: number; parent: number; ticks: number }[] {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return [{ pid: Number(pid), parent: Number(fields[1]), ticks }];
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
