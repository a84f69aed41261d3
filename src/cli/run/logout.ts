import { logout } from '../../engine/login.ts';
import type { Invocation } from '../command/index.ts';
import { printJson, safe, tell } from '../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [registry = 'docker.io'] = operands;
  const { removedFrom } = await logout(registry, { authFile: values.authfile, signal });
  if (values.json) printJson({ registry, removedFrom });
  else if (!values.quiet) {
    if (removedFrom.length === 0) tell(`there was no credential of ${safe(registry)}`);
    for (const place of removedFrom) tell(`removed the credential of ${safe(registry)} from ${safe(place)}`);
  }
  return 0;
}
