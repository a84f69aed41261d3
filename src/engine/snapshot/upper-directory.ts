import { type BigIntStats, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, ShaleError, wrapErrno } from '../../error/index.ts';
import { listMounts, pathBytes } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import { findMounted } from './mounted.ts';
import { isWithin, realPath } from './target.ts';
import { formatUpper, type UpperChoice } from './upper.ts';

/**
 * The choice with its directory as the kernel has it. ShaleErrors `not-found`, `invalid` for one that the mount would hide, that is Shale's own, or in which
 * others could run what the image brings along.
 */
export function resolveUpper(
  upper: UpperChoice,
  { root, place }: { readonly root: string; readonly place: string },
): UpperChoice {
  if (upper.kind !== 'directory') return upper;
  const path = requireDirectory(upper.path);
  const why = isWithin(path, place)
    ? `it is in ${place}, and would be hidden by what is mounted there`
    : isWithin(path, `${realPath(root)}/snapshots`)
      ? 'there Shale keeps its snapshots'
      : undefined;
  if (why === undefined) return { kind: 'directory', path };
  throw new ShaleError('invalid', `${path} cannot be written to: ${why}`, { detail: { path } });
}

/**
 * ShaleError `conflict` while an overlay writes to the directory: two of them damage what the other writes, and the kernel only warns. `own` is the snapshot
 * that is to have it.
 */
export async function requireUnused(root: string, path: string, own: string): Promise<void> {
  const label = formatUpper({ kind: 'directory', path });
  const ours = (await findMounted(root)).find(
    ({ upper, state, snapshot }) => upper === label && state !== 'left' && snapshot !== own,
  );
  const where = ours?.target ?? findOverlay(join(path, 'upper'));
  if (where === undefined) return;
  throw new ShaleError('conflict', `${path} is written to already, by what is mounted at ${where}`, {
    detail: { path, target: where },
    hint: 'use another directory, or unmount that first',
  });
}

/** Where an overlay is mounted that has this upper directory, whatever it is called there. */
function findOverlay(upper: string): string | undefined {
  const stat = statSync(upper, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const found = listMounts().find(
    ({ type, options }) => type === 'overlay' && upperPaths(options).some(path => isSame(path, stat)),
  );
  return found && Buffer.from(found.target, 'latin1').toString();
}

/** As /proc has it, where blanks, commas and backslashes stand as octal numbers; and that without the overlay's own backslashes. */
function upperPaths(options: ByteString): ByteString[] {
  const shown = /(?:^|,)upperdir=([^,]*)/.exec(options)?.[1];
  if (shown === undefined) return [];
  const path = shown.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return [path, path.replace(/\\(.)/gs, '$1')];
}

function isSame(path: ByteString, { dev, ino }: BigIntStats): boolean {
  try {
    const found = statSync(pathBytes(path), { bigint: true });
    return found.dev === dev && found.ino === ino;
  } catch {
    return false; // hidden by another mount, or relative
  }
}

function requireDirectory(path: string): string {
  try {
    const real = realpathSync(path);
    readdirSync(real);
    return real;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw wrapErrno(error, `cannot write to ${path}`);
    const isThere = isErrno(error, 'ENOTDIR');
    throw new ShaleError(
      isThere ? 'invalid' : 'not-found',
      isThere ? `${path} is no directory` : `there is no directory ${path} to be written to`,
      { detail: { path }, ...(!isThere && { hint: `mkdir -m 700 ${path}` }) },
    );
  }
}
