import assert from 'node:assert/strict';
import { type ErrorCode, ShaleError } from '../../src/error/index.ts';

/** Matcher for assert.throws and assert.rejects: a ShaleError of that code, whose message and hint match `pattern`. */
export function shaleError(code: ErrorCode, pattern = /(?:)/): (error: unknown) => true {
  return error => {
    assert.ok(
      error instanceof ShaleError,
      `not a ShaleError: ${error instanceof Error ? error.stack : error}`,
    );
    assert.equal(error.code, code, error.message);
    assert.match(`${error.message} | ${error.hint ?? ''}`, pattern);
    return true;
  };
}
