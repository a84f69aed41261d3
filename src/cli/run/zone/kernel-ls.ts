import { listKernels } from '../../../engine/zone/kernels.ts';
import type { KernelSummary } from '../../../engine/zone/report.ts';
import { formatColumns } from '../../columns.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';
import { formatAge, formatBytes, formatCount } from '../../quantity.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const kernels = await listKernels({ root: values.root, signal });
  if (values.json) printJson({ kernels });
  else if (values.quiet) print(kernels.map(({ name }) => `${safe(name)}\n`).join(''));
  else print(`${formatKernels(kernels, { now: Date.now() }).join('\n')}\n`);
  return 0;
}

/** The table of kernels; `now` in milliseconds. */
export function formatKernels(
  kernels: readonly KernelSummary[],
  { now }: { readonly now: number },
): string[] {
  const rows = kernels.map(({ name, release, modules, bytes, installed, isDefault }) => [
    ...[isDefault ? '*' : '', safe(name), safe(release), formatCount(modules), formatBytes(bytes)],
    formatAge(Date.parse(installed), now),
  ]);
  return formatColumns([['', 'NAME', 'RELEASE', 'MODULES', 'SIZE', 'INSTALLED'], ...rows], { right: [3, 4] });
}
