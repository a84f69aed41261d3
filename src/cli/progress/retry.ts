import { safe } from '../output.ts';
import { formatSeconds } from '../quantity.ts';
import type { ProgressEvent } from './progress.ts';

/** What people are told when a request is tried again. */
export function formatRetry(event: Extract<ProgressEvent, { type: 'retry' }>): string {
  const { registry, what, attempt, delay, reason } = event;
  return `${safe(registry)}: ${safe(what)}: ${safe(reason)}; again in ${formatSeconds(delay / 1000)} (attempt ${attempt})`;
}
