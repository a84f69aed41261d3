import { HostError } from './error.ts';
import { call, hasLibc } from './libc.ts';

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const SIG_DFL = 0;
/** SIGPIPE and SIGXFSZ, which Node ignores; what ignores a signal hands that on to what it becomes. */
const ignored = [13, 25];

/**
 * Becomes another program: same process, terminal, streams, signals and exit status. Never returns. What is unfinished must be
 * finished before, for nothing of ours runs any more. `words` are its absolute path, which must be that of a program, for a failure is the end of us, and its arguments.
 */
export function handOver(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): never {
  const given = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  if (hasLibc()) {
    for (const signal of ignored) call('signal', undefined, signal, SIG_DFL);
    for (const fd of [0, 1, 2]) block(fd);
  }
  const [program = ''] = words;
  const { execve } = process;
  if (execve === undefined) throw new HostError('unsupported', `cannot become ${program} on this platform`);
  return execve.call(process, program, [...words], Object.fromEntries(given)) as never;
}

/** Node reads and writes pipes without waiting; what others find on theirs they do not expect to be so. */
function block(fd: number): void {
  try {
    const flags = call('fcntl', undefined, fd, F_GETFL, 0);
    if (Math.floor(flags / O_NONBLOCK) % 2 === 1) call('fcntl', undefined, fd, F_SETFL, flags - O_NONBLOCK);
  } catch {
    // It is closed.
  }
}
