/**
 * What would be left behind if the process ended now. Handles clean up after themselves when they are disposed; this
 * set is for the ends that run no `finally`: `process.exit` and signals.
 */
const unfinished = new Set<() => void>();

/** Registers a synchronous clean-up; the result takes it back. */
export function registerUnfinished(remove: () => void): () => void {
  unfinished.add(remove);
  return () => {
    unfinished.delete(remove);
  };
}

/**
 * Removes every unfinished file and directory of this process (of this thread), synchronously; for handlers of 'exit'
 * and of signals. Failures are swallowed: there is nobody left to tell. Safe to call twice.
 */
export function removeUnfinished(): void {
  for (const remove of [...unfinished].reverse()) {
    unfinished.delete(remove);
    try {
      remove();
    } catch {
      // The next one still deserves its turn.
    }
  }
}
