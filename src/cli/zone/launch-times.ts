import type { LaunchTimes } from '../../engine/zone/request.ts';
import { formatColumns } from '../columns.ts';
import { safe } from '../output.ts';

/** A line for each step of a launch, and one for all of it. */
export function formatTimes({ steps, total, warm }: LaunchTimes): string[] {
  const rows = steps.map(({ name, milliseconds }) => [safe(name), `${milliseconds.toFixed(1)} ms`]);
  return formatColumns([...rows, [warm ? 'total, warm' : 'total', `${total.toFixed(1)} ms`]], { right: [1] });
}

/** Tells the times of a launch. */
export function createTimesPrinter(tell: (line: string) => void): (times: LaunchTimes) => void {
  return times => formatTimes(times).forEach(line => void tell(line));
}
