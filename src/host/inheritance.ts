import { readdirSync, readFileSync } from 'node:fs';
import { call, hasLibc } from './libc.ts';

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const O_CLOEXEC = 0o2000000;

/** A path by which a process opens the file of one of its own descriptors once more. */
export function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * Sees to it that no descriptor that we have inherited ourselves, say from a shell or a lock around us, goes on to
 * what we start: a daemon would hold it for as long as it lives. Node opens all of its own so, and libuv marks the
 * inherited ones it finds, but it stops looking at the first gap. Does nothing without /proc or libc.
 */
export function closeOnExec(): void {
  let names: string[];
  try {
    names = readdirSync('/proc/self/fd');
  } catch {
    return;
  }
  for (const fd of names.map(Number)) {
    if (fd > 2 && isInherited(fd) && hasLibc()) call('fcntl', undefined, fd, F_SETFD, FD_CLOEXEC);
  }
}

function isInherited(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    return false; // it was the listing's own
  }
}
