import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readRegistryOptions } from '../image-options.ts';
import { printJson, safe, tell } from '../output.ts';
import { ask, canAsk, readSecretInput } from '../prompt.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [registry = 'docker.io'] = operands;
  const fromInput = values['password-stdin'] === true;
  if (fromInput && values.password !== undefined)
    throw usage('--password and --password-stdin exclude each other');
  if (fromInput && values.username === undefined) throw usage('--password-stdin needs --username');
  if (values.password !== undefined && !values.quiet) {
    tell(
      'shale: --password is visible in the process list and in the history of the shell; --password-stdin is not',
    );
  }
  const username =
    values.username ?? (await askFor(`User name for ${registry}: `, '--username', false, signal));
  const password = fromInput
    ? await readSecretInput()
    : (values.password ?? (await askFor('Password: ', '--password-stdin', true, signal)));
  if (username === '' || password === '') throw usage('the user name and the password must not be empty');
  const { login } = await import('../../engine/login.ts');
  const options = { ...readRegistryOptions(values), signal };
  const result = await login(registry, { username, password, ...options });
  if (values.json) printJson({ ...result, username });
  if (!values.quiet) tell(formatLogin({ ...result, username }));
  return 0;
}

async function askFor(question: string, flag: string, secret: boolean, signal: AbortSignal): Promise<string> {
  if (!canAsk()) throw usage(`standard input is no terminal to ask at, and ${flag} is not given`);
  return await ask(safe(question), { secret, signal });
}

/** Where the credential is now, and whether anybody who reads that file has it. */
export function formatLogin(result: {
  readonly registry: string;
  readonly username: string;
  readonly storedIn: string;
}): string {
  const { registry, username, storedIn } = result;
  const where = storedIn.startsWith('/')
    ? `kept in ${safe(storedIn)}, not encrypted; a credential helper (credsStore) would keep it safer`
    : `kept by ${safe(storedIn)}`;
  return `logged in to ${safe(registry)} as ${safe(username)}; the credential is ${where}`;
}

function usage(message: string): UsageError {
  return new UsageError(message, 'see shale login --help');
}
