/**
 * Run by itself, as an ordinary user: applies each layer of tame stacks onto one directory each.
 *
 *     user-child.ts DIRECTORY SEED COUNT
 */
import { mkdirSync } from 'node:fs';
import { applyRecords, createStack, ownedBy } from './stacks.ts';

const [base, seed, count] = process.argv.slice(2) as [string, string, string];
for (let round = 0; round < Number(count); round += 1) {
  mkdirSync(`${base}/${round}`);
  for (const records of ownedBy(process.getuid!(), createStack('tame-user', Number(seed) + round)))
    await applyRecords(records, `${base}/${round}`, 'plain');
}
