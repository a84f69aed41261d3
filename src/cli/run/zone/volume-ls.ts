import type { VolumeSummary } from '../../../engine/zone/report.ts';
import { listVolumes } from '../../../engine/zone/volume-list.ts';
import { formatColumns } from '../../columns.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';
import { formatBytes } from '../../quantity.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const volumes = await listVolumes({ root: values.root, signal });
  if (values.json) printJson({ volumes });
  else if (values.quiet) print(volumes.map(({ name }) => `${safe(name)}\n`).join(''));
  else print(`${formatVolumes(volumes).join('\n')}\n`);
  return 0;
}

/** The table of volumes. */
export function formatVolumes(volumes: readonly VolumeSummary[]): string[] {
  const rows = volumes.map(({ name, size, used, zones }) => [
    ...[safe(name), formatBytes(size), formatBytes(used)],
    zones.map(safe).join(', ') || '-',
  ]);
  return formatColumns([['NAME', 'SIZE', 'USED', 'ZONES'], ...rows], { right: [1, 2] });
}
