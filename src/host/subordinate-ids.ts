import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { findProgram } from './find-program.ts';
import { runProgram } from './program.ts';

/** So many ids, one after the other. */
export interface IdRange {
  readonly start: number;
  readonly count: number;
}

/** The ids that a user may give to processes of his own, beside the one that he is: subuid(5), subgid(5). */
export interface SubordinateIds {
  /** His name, or his number if he has none. */
  readonly user: string;
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** The kernel takes 340 lines of a map (user_namespaces(7)), of which one is the user himself. */
const most = 339;

/** Those of the effective user: from the files, else from whatever `getsubids` asks. Empty where there are none. */
export async function findSubordinateIds(): Promise<SubordinateIds> {
  const number = String(process.geteuid?.() ?? 0);
  const name = findUserName();
  const names = name === undefined ? [number] : [name, number];
  const uids = parseSubordinateIds(readText('/etc/subuid'), names);
  const gids = parseSubordinateIds(readText('/etc/subgid'), names);
  const user = name ?? number;
  return {
    user,
    uids: uids.length > 0 ? uids : await ask([user]),
    gids: gids.length > 0 ? gids : await ask(['-g', user]),
  };
}

/** The ranges of whoever goes by these names, `name:first:count` each, in the order of the file; what is no such line is passed over. */
export function parseSubordinateIds(text: string, names: readonly string[]): IdRange[] {
  const ranges = text.split('\n').flatMap(line => {
    const [name, start, count, ...rest] = line.trim().split(':');
    return names.includes(name ?? '') && rest.length === 0 ? toRange(start, count) : [];
  });
  return ranges.slice(0, most);
}

/** What an administrator has to add for a user: a range behind all that are given away in the texts of both files. */
export function proposeRange(...texts: readonly string[]): IdRange {
  const ends = texts
    .flatMap(text => text.split('\n'))
    .flatMap(line => toRange(...(line.split(':').slice(1) as [string?, string?])))
    .map(({ start, count }) => start + count);
  return { start: Math.max(100_000, ...ends), count: 65_536 };
}

/** What to do for a user who has none. */
export function adviseSubordinateIds(user: string): string {
  const { start, count } = proposeRange(readText('/etc/subuid'), readText('/etc/subgid'));
  const range = `${start}-${start + count - 1}`;
  return (
    `add the line ${user}:${start}:${count} to /etc/subuid and to /etc/subgid, ` +
    `or as root run: usermod --add-subuids ${range} --add-subgids ${range} ${user}`
  );
}

function toRange(start?: string, count?: string): IdRange[] {
  if (!/^\d{1,10}$/.test(start ?? '') || !/^\d{1,10}$/.test(count ?? '')) return [];
  const range = { start: Number(start), count: Number(count) };
  return range.count > 0 && range.start + range.count <= 2 ** 32 - 1 ? [range] : [];
}

/** `0: alice 100000 65536`: directories of users (sssd) have them, too, and no file tells. */
async function ask(words: readonly string[]): Promise<IdRange[]> {
  const program = findProgram('getsubids');
  if (program === undefined) return [];
  try {
    const { status, stdout } = await runProgram(program, words, { timeout: 10_000 });
    if (status !== 0) return [];
    return stdout
      .toString('latin1')
      .split('\n')
      .flatMap(line => toRange(...(line.trim().split(/\s+/).slice(-2) as [string?, string?])));
  } catch {
    return [];
  }
}

function findUserName(): string | undefined {
  try {
    return userInfo().username || undefined;
  } catch {
    return undefined; // a number without an entry in the list of users
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
