import { readFileSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import { findBoot } from './boot.ts';

/** Which process is meant, although its number may be used again: JSON-able. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the kernel's ticks since boot, as /proc/PID/stat has it; undefined without /proc. */
  readonly started: string | undefined;
  /** The boot in which it runs, see `findBoot`. */
  readonly boot: string | undefined;
}

/** The identity of a running process; `undefined` if there is none of that number, or it has ended and waits for its parent. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const status = readStatus(pid);
  if (status === undefined) return exists(pid) ? { pid, started: undefined, boot: findBoot() } : undefined;
  return status.ended ? undefined : { pid, started: status.started, boot: findBoot() };
}

/** The identity of a child of ours that may have ended, but whose end we have not yet heard of. */
export function identifyChild(pid: number): ProcessIdentity {
  return { pid, started: readStatus(pid)?.started, boot: findBoot() };
}

/** proc(5), /proc/PID/stat; `undefined` if there is none. */
function readStatus(pid: number): { ended: boolean; started: string | undefined } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ESRCH')) throw error;
    return undefined;
  }
  // The name in parentheses may hold anything; fields are counted after its end. State is field 3, start time 22.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { ended: fields[0] === 'Z' || fields[0] === 'X', started: fields[19] };
}

/** Whether that very process still runs. */
export function isRunning(process: ProcessIdentity): boolean {
  if (process.boot !== findBoot()) return false;
  const present = identifyProcess(process.pid);
  return present !== undefined && present.started === process.started;
}

/** Sends a signal to that very process. False if it is gone. Throws EPERM as `process.kill` does. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return isRunning(target) && send(target.pid, signal);
}

/** The same for the process group that it leads; one that has lost its leader is not touched. */
export function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return isRunning(leader) && send(-leader.pid, signal);
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return false;
    throw error;
  }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}
