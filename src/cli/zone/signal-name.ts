import { constants } from 'node:os';

/** The name of a signal, in whatever way it was written: `TERM`, `sigterm`, `15`. */
export function findSignal(word: string): string | undefined {
  const names = Object.entries(constants.signals);
  if (/^\d+$/.test(word)) return names.find(([, number]) => number === Number(word))?.[0];
  const name = word.toUpperCase();
  return names.find(([known]) => known === name || known === `SIG${name}`)?.[0];
}
