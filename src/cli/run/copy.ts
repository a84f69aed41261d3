import { type CopyResult, copy } from '../../engine/copy.ts';
import type { Invocation } from '../command/index.ts';
import { readRegistryOptions } from '../image-options.ts';
import { formatJson, print, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatTransfer } from '../transfer.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [source, target] = operands as [string, string];
  const { root, platform } = values;
  const begin = performance.now();
  const progress = openProgress(values, { elsewhere: 'plain', reading: 'nothing' });
  let result: CopyResult;
  try {
    result = await copy(source, target, {
      ...{ root, platform, allPlatforms: values['all-platforms'], referrers: values.referrers, signal },
      ...readRegistryOptions(values),
      onProgress: progress.update.bind(progress),
    });
  } finally {
    progress.end();
  }
  const seconds = (performance.now() - begin) / 1000;
  if (!values.quiet) {
    if (values.progress === 'json') tell(formatJson({ event: 'end', ...result, seconds }));
    else tell(`${safe(target)}: ${formatTransfer(result, seconds)}`);
  }
  if (values.json) printJson({ ...result, seconds });
  else print(`${safe(result.digest)}\n`);
  return 0;
}
