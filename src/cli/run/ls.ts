import { ShaleError } from '../../error/index.ts';
import type { Invocation } from '../command.ts';

export async function run(_: Invocation): Promise<number> {
  throw new ShaleError('unsupported', 'not yet');
}
