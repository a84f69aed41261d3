import { attachZone } from '../../../engine/zone/exec.ts';
import { inspectZone } from '../../../engine/zone/list.ts';
import type { Invocation } from '../../command/index.ts';
import { safe } from '../../output.ts';
import { withSession } from '../../zone/session.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values, signal } = invocation;
  const [zone] = operands as [string];
  const { root } = values;
  const { interactive, terminal: tty, name } = await inspectZone(zone, { root, signal });
  return await withSession(invocation, { interactive, tty, mayDetach: true }, async session => {
    const { streams, signal, onStart } = session;
    const end = await attachZone(zone, { root, streams, signal, onStart });
    if (end.status === undefined && !values.quiet) {
      session.tell('');
      session.tell(`zone ${safe(name)} goes on`);
    }
    return end;
  });
}
