import { ShaleError } from '../../error/index.ts';
import { type ProgramResult, runProgram } from '../../host/index.ts';
import { printable } from '../../tree/index.ts';
import { RegistryError } from '../error.ts';
import type { Helper } from './auth-file.ts';
import { type Credential, tokenUser } from './credential.ts';
import { Secret } from './secret.ts';

/** How long a helper may take, in milliseconds: it may have to ask a cloud, or a person for a passphrase. */
export const helperTimeout = 60_000;
/** What every helper says when it has nothing (docker-credential-helpers, `credentials/error.go`). */
const notFound = 'credentials not found in native keychain';

/**
 * `docker-credential-NAME get`: the server on standard input, JSON on standard output (docker-credential-helpers,
 * README "Development"). `undefined` if the helper has nothing for it. All failures are RegistryErrors
 * `unauthenticated` that name the helper, the file that asks for it, and what to do.
 */
export async function askHelper(helper: Helper, timeout = helperTimeout): Promise<Credential | undefined> {
  const result = await run(helper, 'get', helper.server, timeout);
  if (result === undefined) return undefined;
  const { username, secret } = parseAnswer(helper, result.stdout.toString('utf8'));
  if (username === '' && secret === '') return undefined;
  return username === tokenUser
    ? { kind: 'identity', token: new Secret(secret) }
    : { kind: 'basic', username, password: new Secret(secret) };
}

/** `docker-credential-NAME store`. */
export async function storeInHelper(
  helper: Helper,
  credential: Credential,
  timeout = helperTimeout,
): Promise<void> {
  const [username, secret] =
    credential.kind === 'basic' ? [credential.username, credential.password] : [tokenUser, credential.token];
  const answer = { ServerURL: helper.server, Username: username, Secret: secret.reveal() };
  await run(helper, 'store', JSON.stringify(answer), timeout, secret);
}

/** `docker-credential-NAME erase`; whether there was something to erase. */
export async function eraseInHelper(helper: Helper, timeout = helperTimeout): Promise<boolean> {
  if ((await askHelper(helper, timeout)) === undefined) return false;
  return (await run(helper, 'erase', helper.server, timeout)) !== undefined;
}

/** `undefined` if the helper says that it has nothing. */
async function run(
  helper: Helper,
  action: 'get' | 'store' | 'erase',
  input: string,
  timeout: number,
  secret?: Secret,
): Promise<ProgramResult | undefined> {
  const program = programOf(helper);
  let result: ProgramResult;
  try {
    result = await runProgram(program, [action], { input, timeout });
  } catch (error) {
    throw cannotRun(helper, error);
  }
  if (result.status === 0) return result;
  const said = `${result.stdout.toString('utf8')}\n${result.stderr.toString('utf8')}`.trim();
  if (said.includes(notFound)) return undefined;
  const ended =
    result.status === undefined ? `was killed by ${result.killedBy}` : `failed with ${result.status}`;
  throw failed(helper, 'failed', `${ended} at ${action}${quote(said, secret)}`, {
    hint: `try it: echo ${helper.server} | ${program} get >/dev/null`,
  });
}

/** Only a plain name: with a slash in it, a file that somebody else wrote could run any program. */
function programOf(helper: Helper): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/.test(helper.name)) return `docker-credential-${helper.name}`;
  throw new RegistryError(
    'invalid',
    `${helper.path} names a credential helper that cannot be one, for ${helper.server}`,
    {
      detail: { path: helper.path, registry: helper.server },
      hint: 'a helper is named by what follows docker-credential- in the name of its program, such as "pass"',
    },
  );
}

function parseAnswer(helper: Helper, text: string): { username: string; secret: string } {
  try {
    const { Username: username = '', Secret: secret = '' } = JSON.parse(text) as Record<string, unknown>;
    if (typeof username === 'string' && typeof secret === 'string') return { username, secret };
  } catch {
    // What it wrote may be half a secret: neither it nor the parser's message goes further.
  }
  throw failed(helper, 'malformed', 'did not answer with a user and a secret in JSON', {
    hint: 'check that the helper is of the current version',
  });
}

function cannotRun(helper: Helper, error: unknown): unknown {
  if (!(error instanceof ShaleError)) return error;
  const remedy = `or take it out of ${helper.path}`;
  if (error.code === 'not-found') {
    const hint = `install ${programOf(helper)} into a directory of PATH, ${remedy}`;
    return failed(helper, 'missing', 'is not installed', { hint, cause: error });
  }
  const [problem, what] =
    error.code === 'unavailable'
      ? (['timeout', 'did not answer in time'] as const)
      : (['failed', 'could not be run'] as const);
  return failed(helper, problem, what, { hint: `see that it can answer, ${remedy}`, cause: error });
}

function failed(
  helper: Helper,
  problem: 'missing' | 'failed' | 'timeout' | 'malformed',
  what: string,
  options: { hint: string; cause?: unknown },
): RegistryError {
  const { name, server, path } = helper;
  const message = `the credential helper docker-credential-${name}, which ${path} names for ${server}, ${what}`;
  return new RegistryError('unauthenticated', message, {
    ...options,
    detail: { helper: `docker-credential-${name}`, registry: server, path, problem },
  });
}

/** The first line of a complaint, unless it might hold what nobody may see. */
function quote(said: string, secret: Secret | undefined): string {
  const line = said.split('\n', 1)[0]?.slice(0, 200) ?? '';
  const known = secret?.reveal() ?? '';
  if (line === '' || said.includes('{') || (known !== '' && said.includes(known))) return '';
  return `: ${printable(Buffer.from(line, 'utf8').toString('latin1'))}`;
}
