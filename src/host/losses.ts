import type { Warnings } from '../error/index.ts';

/** What a user without privilege cannot give, as it is named to a person: singular, plural. */
const kinds = {
  owner: ['owner', 'owners'],
  setid: ['setuid or setgid bit', 'setuid or setgid bits'],
  device: ['device', 'devices'],
  node: ['fifo or socket', 'fifos and sockets'],
  xattr: ['xattr', 'xattrs'],
} as const;
export type LossKind = keyof typeof kinds;

/** Counts what could not be set for want of privilege, to be told once and not a hundred thousand times. */
export class Losses {
  readonly #counts = new Map<LossKind, number>();

  add(kind: LossKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /** One warning with all counts, or none. Throws if warnings are errors. */
  report(warnings: Warnings): void {
    if (this.#counts.size === 0) return;
    const parts = [...this.#counts].map(([kind, count]) => `${count} ${kinds[kind][count === 1 ? 0 : 1]}`);
    warnings.add({
      code: 'privilege',
      message: `left out, for the system did not permit it (root may): ${parts.join(', ')}`,
    });
  }
}
