import { findVariable } from '../../engine/host.ts';
import type { Values } from '../option.ts';
import { BarProgress } from './bar.ts';
import type { Reading } from './board.ts';
import { JsonProgress } from './json.ts';
import { PlainProgress } from './plain.ts';
import type { Progress, ProgressEvent } from './progress.ts';

/**
 * How far the work is, on standard error: bars on a terminal, lines elsewhere, JSON lines for programs. All of them live on the
 * engine's progress events alone.
 */
export type { Progress, ProgressEvent } from './progress.ts';

/**
 * What --progress and --quiet ask for; `elsewhere` is what `auto` means where standard error is no terminal, `reading` what the
 * command does with layers.
 */
export function openProgress(
  { progress = 'auto', quiet }: Values,
  { elsewhere, reading = 'reading' }: { readonly elsewhere: 'plain' | 'none'; readonly reading?: Reading },
): Progress {
  if (quiet) return none;
  // A dumb terminal cannot go back up.
  const steerable = process.stderr.isTTY === true && findVariable('TERM') !== 'dumb';
  const mode = progress === 'auto' ? (steerable ? 'bar' : elsewhere) : progress;
  switch (mode) {
    case 'bar':
      return new BarProgress(reading, {
        color: steerable && findVariable('NO_COLOR') === undefined,
        unicode: isUnicode(),
      });
    case 'plain':
      return new PlainProgress(reading);
    case 'json':
      return new JsonProgress(reading);
    case 'none':
      return none;
  }
}

const none: Progress = { update(_: ProgressEvent) {}, end() {} };

function isUnicode(): boolean {
  const locale = findVariable('LC_ALL') ?? findVariable('LC_CTYPE') ?? findVariable('LANG') ?? '';
  return /utf-?8/i.test(locale);
}
