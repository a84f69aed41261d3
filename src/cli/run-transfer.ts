import type { CopyOptions, CopyResult } from '../engine/copy.ts';
import type { Invocation } from './command/index.ts';
import { readRegistryOptions } from './image-options.ts';
import { formatJson, print, printJson, safe, tell } from './output.ts';
import { openProgress } from './progress/index.ts';
import { formatTransfer } from './transfer.ts';

/** Runs a copy or a push and says what came of it. `name` is the target's for people, `data` what goes to standard output. */
export async function runTransfer<Result extends CopyResult>(
  { values, signal }: Invocation,
  transfer: (options: CopyOptions) => Promise<Result>,
  { name, data }: { readonly name: (result: Result) => string; readonly data: (result: Result) => string },
): Promise<number> {
  const { root, platform } = values;
  const begin = performance.now();
  const progress = openProgress(values, { elsewhere: 'plain', reading: 'nothing' });
  let result: Result;
  try {
    result = await transfer({
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
    else tell(`${safe(name(result))}: ${formatTransfer(result, seconds)}`);
  }
  if (values.json) printJson({ ...result, seconds });
  else print(`${safe(data(result))}\n`);
  return 0;
}
