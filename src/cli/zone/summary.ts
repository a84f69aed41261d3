import type { ZoneSummary } from '../../engine/zone/report.ts';
import type { Values } from '../option.ts';
import { print, printJson, safe } from '../output.ts';

const widest = 30;

/** A command line in one cell of a table. */
export function formatCommand(command: readonly string[]): string {
  const line = safe(command.map(quote).join(' '));
  return line.length > widest ? `${line.slice(0, widest - 1)}…` : line;
}

/** Words as a shell would take them. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `running`, `exited (1)`. */
export function formatState({ state, status }: Pick<ZoneSummary, 'state' | 'status'>): string {
  return status === undefined ? state : `${state} (${status})`;
}

/** What became of the zones of stop, kill and rm: their names, one a line. */
export function printZones(zones: readonly ZoneSummary[], { json, quiet }: Values): number {
  if (json) printJson({ zones });
  else if (!quiet) print(zones.map(({ name }) => `${safe(name)}\n`).join(''));
  return 0;
}
