import { errorCodes } from '../error/index.ts';
import { HostError } from './error.ts';
import { enteringWords, type Namespace } from './namespace.ts';
import { runProgram } from './program.ts';

/** What the child runs: imports a module, calls a function of it, and writes what that resolves to, or why it rejected, as JSON. */
const script = `
const { writeSync } = await import('node:fs');
const [module, name, argument] = process.argv.slice(1);
let answer;
try {
  answer = { value: await (await import(module))[name](JSON.parse(argument)) };
} catch ({ code, message, hint, detail }) {
  answer = { error: { code, message, hint, detail } };
}
const bytes = Buffer.from(JSON.stringify(answer));
for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);`;

interface Answer {
  readonly value?: unknown;
  readonly error?: {
    readonly code?: string;
    readonly message?: string;
    readonly hint?: string;
    readonly detail?: Readonly<Record<string, unknown>>;
  };
}

/**
 * Calls a function in a process of its own inside the namespace, for what is to be found out there while this process goes on outside. `module` is a
 * URL, argument and result are what JSON can say. Rejects with what the function rejects with, as a HostError.
 */
export async function callInNamespace(
  namespace: Namespace,
  module: string,
  name: string,
  argument: unknown,
  options: { readonly timeout?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<unknown> {
  const node = [process.execPath, '--input-type=module', '-e', script, '--'];
  const [program, ...words] = enteringWords(namespace, [
    ...node,
    ...[module, name, JSON.stringify(argument ?? null)],
  ]);
  const { status, killedBy, stdout, stderr } = await runProgram(program!, words, options);
  const answer = status === 0 ? (JSON.parse(stdout.toString()) as Answer) : undefined;
  if (answer === undefined) {
    const said = stderr.toString().trim();
    throw new HostError('internal', `the call in the namespace ended with ${status ?? killedBy}`, {
      detail: { module, name, words: said.slice(-2000) },
    });
  }
  if (answer.error === undefined) return answer.value;
  const { code = 'internal', message = 'it failed', hint, detail } = answer.error;
  const known = errorCodes.find(each => each === code) ?? 'internal';
  throw new HostError(known, message, {
    ...(hint !== undefined && { hint }),
    ...(detail !== undefined && { detail }),
  });
}
