import { commitActive } from '../../../engine/snapshot/manage.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';
import { readPairs } from '../../snapshot/options.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [name, key] = operands as [string, string];
  const { root, label } = values;
  const committed = await commitActive(name, key, {
    ...{ root, signal },
    labels: readPairs(label, '--label', 'snapshot commit'),
  });
  if (values.json) printJson(committed);
  else if (!values.quiet) print(`${safe(name)}\n`);
  return 0;
}
