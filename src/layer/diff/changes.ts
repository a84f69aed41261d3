import { constants } from 'node:fs';
import { type Warnings, wrapErrno } from '../../error/index.ts';
import { shown } from '../../host/index.ts';
import { type ByteString, type InodeType, noXattrs, printable } from '../../tree/index.ts';
import { readContent } from '../disk/content.ts';
import type { Facts } from '../disk/facts.ts';
import type { ChangeEntry, ChangeStatus } from './entry.ts';
import { findGroups, type Groups } from './groups.ts';
import { type LowerData, openLowerData } from './lower-data.ts';
import { inexpressible } from './overlay.ts';
import { type Pair, type PairOptions, walkPairs } from './pairs.ts';
import { areAlike, haveSameContent, keepXattrs } from './same.ts';

export interface ChangeOptions extends PairOptions {
  readonly warnings: Warnings;
  /** `by-time`: a file of the same size and time, to the nanosecond, counts as the same without being read. */
  readonly contents: 'read' | 'by-time';
}

const typeBits: Readonly<Record<InodeType, number>> = {
  file: constants.S_IFREG,
  directory: constants.S_IFDIR,
  symlink: constants.S_IFLNK,
  block: constants.S_IFBLK,
  character: constants.S_IFCHR,
  fifo: constants.S_IFIFO,
  socket: constants.S_IFSOCK,
};
const epoch = { seconds: 0, nanoseconds: 0 };
const yes = Buffer.from('y');

/**
 * What makes the newer directory of the older one, in the order and the words of `ChangeEntry`: what is as it was is not
 * there, but for directories on the way. Files of several names are told under all of them, or not at all.
 */
export async function* findChanges(options: ChangeOptions): AsyncGenerator<ChangeEntry, void, undefined> {
  const finder = new ChangeFinder(options);
  for await (const pair of walkPairs(options)) yield* finder.judge(pair);
}

class ChangeFinder {
  readonly #options: ChangeOptions;
  #groups: Groups | undefined;
  readonly #numbers = new Map<string, number>();
  /** Directories that have not changed, from the root to where the walk is; told as soon as something in them is. */
  #held: ChangeEntry[] = [];
  /** Which newer file an older one of several names has stayed. */
  readonly #stayed = new Map<string, string>();

  constructor(options: ChangeOptions) {
    this.#options = options;
  }

  async *judge(pair: Pair): AsyncGenerator<ChangeEntry, void, undefined> {
    const { kind, path, facts, older } = pair;
    this.#held = this.#held.filter(({ path: above }) => path.startsWith(`${above}/`));
    if (kind === 'left-out')
      this.#warn('whiteout-device', path, 'a 0:0 character device, which would be a whiteout');
    if (kind === 'deleted' || (kind === 'left-out' && older !== 'unknown' && older !== undefined)) {
      if (older !== undefined) yield* this.#tell(describeWhiteout(path));
    } else if (facts?.type === 'directory') {
      yield* this.#directory(pair, facts);
    } else if (facts?.type === 'socket' && older !== undefined && older !== 'unknown') {
      if (older.type === 'socket') return;
      this.#warn('left-out', path, 'a socket, which no layer holds');
      yield* this.#tell(describeWhiteout(path));
    } else if (facts !== undefined && !(await this.#isUnchanged(pair, facts))) {
      using data = openLowerData(pair, facts, this.#options);
      yield* this.#tell(this.#describe(pair, facts, older === undefined ? 'added' : 'changed', data));
    }
  }

  *#directory(pair: Pair, facts: Facts): Generator<ChangeEntry> {
    const { path, older, opaque, implied } = pair;
    const { isOwnXattr, namespace } = this.#options.reading;
    if (namespace !== undefined && facts.xattrs.has(`${namespace}redirect`))
      throw inexpressible(path, 'redirect');
    const isThere = older !== 'unknown' && older?.type === 'directory';
    const isSame = isThere && areAlike(facts, older, isOwnXattr);
    const status = implied ? 'implied' : isSame ? 'parent' : older === undefined ? 'added' : 'changed';
    const entry = this.#describe(pair, facts, status);
    if (path === '' || opaque || (status !== 'parent' && status !== 'implied')) yield* this.#tell(entry);
    else this.#held.push(entry);
  }

  *#tell(entry: ChangeEntry): Generator<ChangeEntry> {
    const held = this.#held;
    this.#held = [];
    yield* held;
    yield entry;
  }

  async #isUnchanged(pair: Pair, facts: Facts): Promise<boolean> {
    const { older } = pair;
    if (older === undefined || older === 'unknown') return false;
    if (facts.links > 1) {
      this.#groups ??= await findGroups(this.#options, (each, its) => this.#isSame(each, its));
      if (this.#groups.get(facts.identity) !== older.identity) return false;
    } else if (!this.#isSame(pair, facts)) return false;
    if (older.links < 2) return true;
    // What was one file may have become two.
    const stayed = this.#stayed.get(older.identity) ?? facts.identity;
    this.#stayed.set(older.identity, stayed);
    return stayed === facts.identity;
  }

  /** Whether a file that is no directory is what it was. */
  #isSame({ older, newerPlace, olderPlace, name, path }: Pair, facts: Facts): boolean {
    const { reading, contents } = this.#options;
    if (older === undefined || older === 'unknown' || !areAlike(facts, older, reading.isOwnXattr))
      return false;
    if (facts.type !== 'file') return true;
    const { namespace } = reading;
    // Of a file whose metadata alone was copied up, the content is below, under this name if no other is said.
    if (namespace !== undefined && facts.xattrs.has(`${namespace}metacopy`))
      return !facts.xattrs.has(`${namespace}redirect`);
    if (contents === 'by-time' && facts.mtime.nanoseconds !== 0) return true;
    return haveSameContent(
      { place: newerPlace, name, facts },
      { place: olderPlace!, name, facts: older },
      path,
    );
  }

  #describe(pair: Pair, facts: Facts, status: ChangeStatus, data?: LowerData): ChangeEntry {
    const { path, opaque } = pair;
    const { type, mode, uid, gid, mtime, links, size, target, device } = facts;
    const kept = keepXattrs(facts.xattrs, this.#options.reading.isOwnXattr);
    const known = this.#numbers.get(facts.identity);
    const inode = known ?? this.#numbers.size + 1;
    if (links > 1 && type !== 'directory') this.#numbers.set(facts.identity, inode);
    return {
      path,
      mode: typeBits[type] + mode,
      ...{ uid, gid, mtime, inode, links: type === 'directory' ? 1 : links, status, target, device },
      xattrs: opaque ? new Map([...kept, ['trusted.overlay.opaque', yes]]) : kept,
      ...(type === 'file' && { size }),
      ...(type === 'file' && known === undefined && { content: data?.content ?? readFile(pair, facts) }),
    };
  }

  #warn(code: 'left-out' | 'whiteout-device', path: ByteString, what: string): void {
    const { warnings } = this.#options;
    warnings.add({ code, message: `${shown(path)} is ${what}, and is left out`, path: printable(path) });
  }
}

function* readFile({ newerPlace, name, path }: Pair, facts: Facts): Generator<Uint8Array, void, undefined> {
  try {
    yield* readContent(newerPlace, name, facts, path);
  } catch (error) {
    throw wrapErrno(error, `cannot read ${shown(path)}`);
  }
}

function describeWhiteout(path: ByteString): ChangeEntry {
  return {
    ...{ path, mode: constants.S_IFCHR, uid: 0, gid: 0, mtime: epoch, inode: 0, links: 1 },
    ...{ device: { major: 0, minor: 0 }, xattrs: noXattrs },
  };
}
