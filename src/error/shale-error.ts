/** The classes of failure that a caller can tell apart; each has one exit status and one gRPC status. */
export const errorCodes = [
  'invalid',
  'not-found',
  'exists',
  'unauthenticated',
  'denied',
  'corrupt',
  'unsupported',
  'exhausted',
  'unavailable',
  'conflict',
  'cancelled',
  'internal',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** Exit status of the command line tool for each code; 2 is kept for wrong usage. */
export const exitStatus: Readonly<Record<ErrorCode, number>> = {
  invalid: 3,
  'not-found': 4,
  exists: 5,
  unauthenticated: 6,
  denied: 7,
  corrupt: 8,
  unsupported: 9,
  exhausted: 10,
  unavailable: 11,
  conflict: 12,
  cancelled: 130,
  internal: 1,
};

export type Detail = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Facts for programs: expected and actual digest, layer and entry, limit and flag. JSON-able. */
  readonly detail?: Detail;
  /** One sentence that says what to do about it. */
  readonly hint?: string;
}

export class ShaleError extends Error {
  readonly code: ErrorCode;
  readonly detail: Detail;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.detail = options.detail ?? {};
    this.hint = options.hint;
  }
}
