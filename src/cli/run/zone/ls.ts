import { listZones } from '../../../engine/zone/list.ts';
import type { ZoneSummary } from '../../../engine/zone/report.ts';
import { formatColumns } from '../../columns.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';
import { formatAge } from '../../quantity.ts';
import { familiar } from '../../reference.ts';
import { formatCommand, formatState } from '../../zone/summary.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const zones = await listZones({ root: values.root, signal });
  if (values.json) printJson({ zones });
  else if (values.quiet) print(zones.map(({ id }) => `${safe(id)}\n`).join(''));
  else print(`${formatZones(zones, { now: Date.now() }).join('\n')}\n`);
  return 0;
}

/** The table of zones; `now` in milliseconds. */
export function formatZones(zones: readonly ZoneSummary[], { now }: { readonly now: number }): string[] {
  const rows = zones.map(zone => [
    ...[safe(zone.id), safe(zone.name), safe(familiar(zone.image)), formatCommand(zone.command)],
    ...[formatState(zone), formatAge(Date.parse(zone.created), now), safe(zone.vmm)],
  ]);
  return formatColumns([['ID', 'NAME', 'IMAGE', 'COMMAND', 'STATE', 'CREATED', 'VMM'], ...rows]);
}
