import { type PushResult, push } from '../../engine/push.ts';
import type { Invocation } from '../command/index.ts';
import { readRegistryOptions } from '../image-options.ts';
import { formatJson, print, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { pinned } from '../reference.ts';
import { formatTransfer } from '../transfer.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [image, target] = operands as [string, string?];
  const { root, platform } = values;
  const begin = performance.now();
  const progress = openProgress(values, { elsewhere: 'plain', reading: 'nothing' });
  let result: PushResult;
  try {
    result = await push(image, target, {
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
    else tell(`${safe(result.reference)}: ${formatTransfer(result, seconds)}`);
  }
  if (values.json) printJson({ ...result, seconds });
  else print(`${safe(pinned(result.reference, result.digest))}\n`);
  return 0;
}
