import { endUserNamespace, unshare } from '../../engine/namespace.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { printJson, tell } from '../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  if (values.end !== true) {
    if (values.force) throw new UsageError('--force goes with --end', 'see shale unshare --help');
    return await unshare(operands, { root: values.root, signal });
  }
  if (operands.length > 0) throw new UsageError('--end takes no command', 'see shale unshare --help');
  const ended = await endUserNamespace({ root: values.root, force: values.force === true, signal });
  if (values.json) printJson({ ended });
  else if (!values.quiet) tell(ended ? 'the namespace has ended' : 'there was no namespace');
  return 0;
}
