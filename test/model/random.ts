/** A seeded source of choices (mulberry32): the same seed gives the same stacks on any machine. */
export interface Random {
  /** 0 ≤ result < `bound`. */
  integer(bound: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
}

export function createRandom(seed: number): Random {
  let state = seed % 0x1_0000_0000;
  const next = (): number => {
    state = (state + 0x6d2b79f5) % 0x1_0000_0000;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return {
    integer: bound => Math.floor(next() * bound),
    chance: probability => next() < probability,
    pick: from => from[Math.floor(next() * from.length)]!,
  };
}

/** From the environment where it is set, so that a failure can be run again; otherwise another one each run. */
export function readSeed(): number {
  const given = process.env.SEED;
  return given === undefined ? Math.floor(Math.random() * 1_000_000_000) : Number(given);
}
