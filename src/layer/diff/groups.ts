import type { Facts } from '../disk/facts.ts';
import { type Pair, type PairOptions, walkPairs } from './pairs.ts';

/** By a newer file of several names: the older file that all of them were, if nothing of it has changed. */
export type Groups = ReadonlyMap<string, string | undefined>;

/**
 * Looks at all names of files that have several, before the first of them is told: a layer must hold all, or none. One walk
 * of both directories; memory is linear in such files.
 */
export async function findGroups(
  options: PairOptions,
  isSame: (pair: Pair, facts: Facts) => boolean,
): Promise<Groups> {
  const groups = new Map<string, string | undefined>();
  for await (const pair of walkPairs(options)) {
    const { facts, older, path } = pair;
    if (facts === undefined || facts.type === 'directory' || facts.links < 2 || path === '') continue;
    const { identity } = facts;
    const was = older === 'unknown' ? undefined : older?.identity;
    if (!groups.has(identity)) groups.set(identity, isSame(pair, facts) ? was : undefined);
    else if (groups.get(identity) !== was) groups.set(identity, undefined);
  }
  return groups;
}
