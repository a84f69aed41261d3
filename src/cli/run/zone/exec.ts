import { execZone } from '../../../engine/zone/exec.ts';
import type { Invocation } from '../../command/index.ts';
import { readEnvironment } from '../../zone/environment.ts';
import { withSession } from '../../zone/session.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const [zone, ...command] = operands as [string, ...string[]];
  const { interactive = false, tty = false, workdir, user, root } = values;
  const env = readEnvironment(values);
  return await withSession(
    invocation,
    { interactive, tty, mayDetach: false },
    async ({ streams, signal, onStart }) =>
      await execZone(zone, { command, env, workdir, user, root, streams, signal, onStart }),
  );
}
