import type { ErrorCode } from '../../error/index.ts';
import { findProgram, runProgram } from '../../host/index.ts';
import { SnapshotError } from '../error.ts';

/** A program that a driver cannot do without. */
export interface Tool {
  readonly program: string;
  /** Debian's name for what brings it; others' names are much alike. */
  readonly package: string;
}

export interface ToolOptions {
  /** What is being done, for messages: `make the snapshot 7`. */
  readonly doing: string;
  /** How many bytes it may write; 1 MiB if not given. */
  readonly outputLimit?: number;
  readonly signal?: AbortSignal | undefined;
  /** How long it may take, in milliseconds; a minute if not given. */
  readonly timeout?: number;
}

/** What a failure means, by what the program says of it, untranslated; `internal` if nothing fits. */
export type Meanings = readonly (readonly [says: RegExp, code: ErrorCode, hint?: string])[];

/**
 * Runs a tool to its end, in the C locale; the result is what it wrote. SnapshotError with the tool's own words: `not-found` without it,
 * else as the meanings have it.
 */
export async function runTool(
  tool: Tool,
  programArguments: readonly string[],
  { doing, ...options }: ToolOptions,
  meanings: Meanings = [],
): Promise<string> {
  const path = findProgram(tool.program);
  if (path === undefined) throw noTool(tool, doing);
  const variables = { LC_ALL: 'C' };
  const { status, killedBy, stdout, stderr } = await runProgram(path, programArguments, {
    ...options,
    variables,
  });
  if (status === 0) return stdout.toString();
  const said = stderr.toString().trim() || stdout.toString().trim();
  const [, code = 'internal', hint] = meanings.find(([says]) => says.test(said)) ?? [];
  const why = said.replaceAll(/\s*\n\s*/g, '; ') || `it ended with ${status ?? killedBy}`;
  throw new SnapshotError(code, `cannot ${doing}: ${tool.program}: ${why}`, {
    detail: { program: tool.program, arguments: programArguments, status, killedBy },
    ...(hint !== undefined && { hint }),
  });
}

function noTool({ program, package: name }: Tool, doing: string): SnapshotError {
  return new SnapshotError('not-found', `cannot ${doing}: there is no ${program}`, {
    detail: { program },
    hint: `install it: apt install ${name}`,
  });
}
