import { doctor } from '../../engine/zone/doctor.ts';
import type { DoctorReport } from '../../engine/zone/report.ts';
import { exitStatus } from '../../error/index.ts';
import type { Invocation } from '../command/index.ts';
import { print, printJson, safe } from '../output.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const report = await doctor({ root: values.root, signal });
  if (values.json) printJson(report);
  else print(formatDoctor(report, { all: values.quiet !== true }).join(''));
  return report.usable || report.mountable === true ? 0 : exitStatus.unsupported;
}

/** A line for each thing that was tried, and what to do below those that need it. */
export function formatDoctor(
  { checks, usable, mountable }: DoctorReport,
  { all }: { readonly all: boolean },
): string[] {
  const shown = checks.filter(({ ok }) => all || ok !== true);
  const width = Math.max(0, ...shown.map(({ name }) => name.length));
  const lines = shown.flatMap(({ name, ok, detail, hint }) => {
    const mark = ok === true ? 'ok  ' : ok === 'degraded' ? 'poor' : 'no  ';
    const line = `${mark}  ${safe(name).padEnd(width)}  ${safe(detail)}`.trimEnd();
    return hint === undefined ? [`${line}\n`] : [`${line}\n`, `${' '.repeat(width + 8)}${safe(hint)}\n`];
  });
  if (all && mountable !== undefined)
    lines.push(mountable ? 'images can be mounted here\n' : 'images cannot be mounted here\n');
  if (all) lines.push(usable ? 'zones can run here\n' : 'zones cannot run here\n');
  return lines;
}
