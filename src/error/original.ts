/**
 * What went wrong first. Where closing things fails after a failure, `using` wraps both in a SuppressedError, whose
 * message says nothing of either.
 */
export function originalError(error: unknown): unknown {
  let original = error;
  while (original instanceof SuppressedError) original = original.suppressed;
  return original;
}
