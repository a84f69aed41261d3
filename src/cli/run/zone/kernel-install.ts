import { installKernel } from '../../../engine/zone/kernels.ts';
import type { KernelSummary } from '../../../engine/zone/report.ts';
import type { Invocation } from '../../command/index.ts';
import { readImageOptions } from '../../image-options.ts';
import { print, printJson, safe, tell } from '../../output.ts';
import { openProgressLater } from '../../progress/later.ts';
import { formatBytes, formatNumber } from '../../quantity.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const progress = openProgressLater(values, { elsewhere: 'plain', reading: 'reading' });
  let kernel: KernelSummary;
  try {
    kernel = await installKernel({
      ...readImageOptions(invocation, event => progress.update(event)),
      from: operands[0],
      onStep: values.quiet ? undefined : text => tell(safe(text)),
    });
  } finally {
    progress.end();
  }
  const { name, release, modules, bytes, isDefault } = kernel;
  if (!values.quiet) {
    const size = `${formatNumber(modules, 'module')}, ${formatBytes(bytes)}`;
    tell(`Linux ${safe(release)}: ${size}${isDefault ? '; zones have it from here on' : ''}`);
  }
  if (values.json) printJson(kernel);
  else print(`${safe(name)}\n`);
  return 0;
}
