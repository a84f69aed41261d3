import type { WarningSummary } from '../engine/index.ts';
import type { Values } from './option.ts';
import { formatJson, safe, tell } from './output.ts';
import { formatNumber } from './quantity.ts';

/** How many of each code are shown whole. */
const shown = 3;

/** Tells on standard error what was accepted with a warning: each code's count and its first examples. */
export function reportWarnings({ counts, examples }: WarningSummary, { quiet, progress }: Values): void {
  if (quiet) return;
  for (const [code, count] of Object.entries(counts)) {
    const first = examples.filter(warning => warning.code === code).slice(0, shown);
    if (progress === 'json') {
      tell(formatJson({ event: 'warning', code, count, examples: first }));
      continue;
    }
    tell(`shale: ${formatNumber(count, 'warning')} (${code})${count > first.length ? `, such as` : ''}:`);
    for (const { message } of first) tell(`  ${safe(message)}`);
  }
}
