import { type PreparedSnapshot, prepareSnapshot } from '../../engine/snapshot/manage.ts';
import type { Invocation } from '../command/index.ts';
import { readImageOptions } from '../image-options.ts';
import { print, printJson } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatMounts } from './mount-command.ts';
import { readPairs, readSnapshotter } from './options.ts';

/** What `prepare` and `view` have in common, which is all. */
export async function runPrepare(how: 'prepare' | 'view', invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const command = `snapshot ${how}`;
  const progress = openProgress(values, { elsewhere: 'plain', reading: 'reading' });
  let prepared: PreparedSnapshot;
  try {
    prepared = await prepareSnapshot(how, operands as [string, string?], {
      ...readImageOptions(invocation, event => progress.update(event)),
      ...readSnapshotter(values, command),
      labels: readPairs(values.label, '--label', command),
    });
  } finally {
    progress.end();
  }
  if (values.json) printJson(prepared);
  else print(formatMounts(prepared.mounts));
  return 0;
}
