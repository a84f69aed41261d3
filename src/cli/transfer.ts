import type { CopyResult } from '../engine/copy.ts';
import { formatBytes, formatNumber, formatRate, formatSeconds } from './quantity.ts';

/** What became of the blobs of a copy or a push, for people: `3 blobs pushed, 31.2 MB; 2 already there; in 1.2 s, 26 MB/s`. */
export function formatTransfer(
  { blobs, leftOut }: Pick<CopyResult, 'blobs' | 'leftOut'>,
  seconds: number,
): string {
  const moved = blobs.filter(({ how }) => how === 'pushed' || how === 'copied');
  const bytes = moved.reduce((sum, { size }) => sum + size, 0);
  const verb = moved[0]?.how ?? 'copied';
  const parts =
    moved.length === 0 ? [] : [`${formatNumber(moved.length, 'blob')} ${verb}, ${formatBytes(bytes)}`];
  for (const [how, words] of [
    ['mounted', 'mounted from another repository'],
    ['exists', 'already there'],
  ] as const) {
    const count = blobs.filter(blob => blob.how === how).length;
    if (count > 0) parts.push(`${count} ${words}`);
  }
  if (leftOut.length > 0)
    parts.push(`${formatNumber(leftOut.length, 'foreign layer')} left out, which only its owner has`);
  const speed = bytes === 0 ? '' : `, ${formatRate(bytes, seconds)}`;
  return `${parts.join('; ')}; in ${formatSeconds(seconds)}${speed}`;
}
