import { inspect } from 'node:util';
import { findVariable } from '../engine/host.ts';
import { exitStatus, originalError, ShaleError } from '../error/index.ts';
import { UsageError, usageStatus } from './error.ts';
import { formatJson, printJson, safe, tell } from './output.ts';

export interface FailureOptions {
  /** One JSON object on standard output, for whoever asked for --json. */
  readonly json: boolean;
  /** Standard error holds JSON lines. */
  readonly jsonLines: boolean;
}

/** Says what went wrong, on standard error and where asked for as JSON; returns the exit status. Prints no stack, unless SHALE_DEBUG is set. */
export function reportFailure(failure: unknown, { json, jsonLines }: FailureOptions): number {
  const error = originalError(failure);
  const { code, message, detail, hint } = describeFailure(error);
  const usage = error instanceof UsageError;
  if (json) printJson({ error: { code: usage ? 'usage' : code, message, detail, hint } });
  if (jsonLines) tell(formatJson({ event: 'error', code: usage ? 'usage' : code, message, hint }));
  else if (usage) tell(`shale: ${safe(message)}; ${hint}`);
  else {
    tell(`shale: ${safe(message)}`);
    if (hint !== undefined) tell(`  ${safe(hint)}`);
  }
  if (findVariable('SHALE_DEBUG') !== undefined) {
    for (const line of inspect(error).split('\n')) tell(safe(line));
  }
  return usage ? usageStatus : exitStatus[code];
}

function describeFailure(error: unknown): Pick<ShaleError, 'code' | 'message' | 'detail' | 'hint'> {
  if (error instanceof ShaleError && error.code !== 'internal') return error;
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'internal',
    message: `internal error: ${message}`,
    detail: error instanceof ShaleError ? error.detail : {},
    hint: 'this is a bug in Shale; please report it with the output of SHALE_DEBUG=1 and of shale --version -v',
  };
}
