import { type Detail, type ErrorCode, ShaleError } from './shale-error.ts';

/** A ShaleError as plain data, to cross a thread. Structured cloning would keep only name and message. */
export interface PortableError {
  readonly name: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: Detail;
  readonly hint: string | undefined;
  readonly stack: string | undefined;
}

export function packError(error: unknown): PortableError {
  if (error instanceof ShaleError) {
    const { name, code, message, detail, hint, stack } = error;
    return { name, code, message, detail, hint, stack };
  }
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { name, code: 'internal', message, detail: {}, hint: undefined, stack };
}

/** The class is lost on the way (its name is kept); callers branch on `code`. */
export function unpackError(packed: PortableError): ShaleError {
  const { name, code, message, detail, hint, stack } = packed;
  const error = new ShaleError(code, message, { detail, ...(hint === undefined ? {} : { hint }) });
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}
