import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { type ByteString, byteString } from '../tree/index.ts';
import { HostError } from './error.ts';
import { findProgram } from './find-program.ts';
import { closeOnExec } from './inheritance.ts';
import type { MountAttributes } from './mount-attributes.ts';
import { listMounts } from './mount-point.ts';
import type { Obstacle } from './namespace-obstacle.ts';
import { type ProgramResult, runProgram } from './program.ts';
import { inUserNamespace } from './user-namespace.ts';

/** What one argument of a program may have, its NUL included (execve(2), MAX_ARG_STRLEN). */
const longestArgument = 131_072;

export interface FuseMount {
  /** The program, such as `fuse-overlayfs`. */
  readonly program: string;
  /** As after `-o`, escaped as the program wants it. */
  readonly options: readonly string[];
  readonly target: string;
}

/**
 * Mounts what a program serves, which goes on in the background until it is unmounted (`unmount`, by whoever might mount, does that, and the
 * program ends). Resolves when files can be used. HostErrors with the program's own words.
 */
export async function mountFuse(
  { program, options, target }: FuseMount,
  { readOnly = false, noSuid = false, noDevices = false, noExecution = false }: MountAttributes = {},
): Promise<void> {
  const path = findProgram(program);
  if (path === undefined) {
    throw new HostError('not-found', `there is no program ${program}`, {
      detail: { program },
      hint: `install ${program}`,
    });
  }
  const words = [...options.filter(option => option !== 'ro'), ...(readOnly ? ['ro'] : [])];
  words.push(noSuid ? 'nosuid' : 'suid');
  if (noExecution) words.push('noexec');
  // In a user namespace no device can be opened anyhow.
  if (noDevices) words.push('nodev');
  else if (!inUserNamespace()) words.push('dev');
  const argument = words.join(',');
  if (Buffer.byteLength(argument) >= longestArgument) {
    throw new HostError('unsupported', `the options of ${program} are longer than an argument may be`, {
      detail: { program, length: argument.length, most: longestArgument },
      hint: 'use fewer layers, or a shorter --root',
    });
  }
  const place = byteString(realpathSync(target));
  const before = countMounts(place);
  // It would hold for as long as it serves whatever we have been given.
  closeOnExec();
  const result = await runProgram(path, ['-o', argument, target]);
  if (result.status === 0 && countMounts(place) > before) return;
  throw explain(program, target, result);
}

function countMounts(target: ByteString): number {
  return listMounts().filter(mount => mount.target === target).length;
}

/** What keeps this process from serving filesystems, as far as it can be known without trying. */
export function findFuseObstacle(): Obstacle | undefined {
  const device = '/dev/fuse';
  if (!existsSync(device)) {
    return { reason: `there is no ${device}`, hint: 'load the kernel’s module: modprobe fuse' };
  }
  try {
    accessSync(device, constants.R_OK + constants.W_OK);
    return undefined;
  } catch {
    return { reason: `${device} may not be opened`, hint: `as root run: chmod 0666 ${device}` };
  }
}

function explain(program: string, target: string, { status, killedBy, stderr }: ProgramResult): HostError {
  const said = stderr.toString().trim();
  const last = said.split('\n').at(-1);
  const obstacle = findFuseObstacle();
  const end = killedBy === undefined ? `it ended with ${status}` : `${killedBy} ended it`;
  return new HostError(
    obstacle === undefined ? 'unavailable' : 'unsupported',
    `${program} cannot mount ${target}: ${obstacle?.reason ?? (last || end)}`,
    {
      detail: { program, target, status, words: said.slice(-2000) },
      ...(obstacle !== undefined && { hint: obstacle.hint }),
      ...(obstacle === undefined && /not permitted|denied/i.test(said) && { hint: whoMay() }),
    },
  );
}

function whoMay(): string {
  return inUserNamespace()
    ? 'this takes Linux 4.18 or later, and CAP_SYS_ADMIN in the namespace'
    : 'run it as root, or in a user namespace: shale unshare';
}
