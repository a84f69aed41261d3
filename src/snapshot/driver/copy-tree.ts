import {
  type BigIntStats,
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { wrapErrno } from '../../error/index.ts';
import {
  copyContents,
  Descent,
  makeNode,
  pathBytes,
  readNames,
  readXattrs,
  setModified,
  setXattr,
  splitDevice,
  throwIfAborted,
  timestamp,
} from '../../host/index.ts';
import { type ByteString, byteString, printable } from '../../tree/index.ts';

/** How often the copy lets others have their turn, in entries. */
const turn = 512;
/** PATH_MAX, in bytes. */
const longestPath = 4096;

/**
 * Fills the directory `target` with a copy of all that is in `source`, metadata and hardlinks too, and gives it the metadata of `source` at the end. Contents are
 * shared where the filesystem can do that (reflinks), copied where not; sockets are left out, for nobody can use a copy of one. No symlink is followed.
 */
export async function copyTree(
  source: string,
  target: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  using from = Descent.open(source);
  using to = Descent.open(target);
  const copy = new TreeCopy(from, to, target);
  const pending: { readonly names: ByteString[]; readonly name: ByteString; readonly stat: BigIntStats }[] =
    [];
  const enter = (name: ByteString, stat: BigIntStats) =>
    pending.push({ names: readNames(from.at('.')), name, stat });
  enter('', lstatSync(pathBytes(from.at('.')), { bigint: true }));
  for (let count = 0, at = pending.at(-1); at !== undefined; at = pending.at(-1)) {
    const name = at.names.pop();
    count += 1;
    if (count % turn === 0) await new Promise(setImmediate);
    throwIfAborted(options.signal);
    if (name === undefined) {
      pending.pop();
      // A directory's time changes with what is put into it, so its metadata comes last.
      copy.describe('.', at.stat);
      from.leave();
      to.leave();
      continue;
    }
    const stat = copy.take(name);
    if (!stat.isDirectory()) continue;
    from.enter(name);
    to.enter(name);
    enter(name, stat);
  }
}

class TreeCopy {
  readonly #from: Descent;
  readonly #to: Descent;
  readonly #root: string;
  readonly #target: ByteString;
  /** What was copied and has more names: where, from the root of the copy. */
  readonly #links = new Map<string, ByteString>();

  constructor(from: Descent, to: Descent, target: string) {
    this.#from = from;
    this.#to = to;
    this.#root = target;
    this.#target = byteString(target);
  }

  /** One name of the present directory. A directory is made, no more. */
  take(name: ByteString): BigIntStats {
    const [source, target] = [this.#from.at(name), this.#to.at(name)];
    const stat = lstatSync(pathBytes(source), { bigint: true });
    try {
      if (stat.isDirectory()) mkdirSync(pathBytes(target), { mode: 0o700 });
      else if (!stat.isSocket() && !this.#link(stat, target)) {
        this.#make(source, target, stat);
        this.describe(name, stat);
      }
    } catch (error) {
      throw wrapErrno(error, `cannot copy /${printable(`${this.#from.path}/${name}`)}`);
    }
    return stat;
  }

  /** Owner, attributes, mode and time, in the order in which none undoes another. */
  describe(name: ByteString, stat: BigIntStats): void {
    const [source, target] = [this.#from.at(name), this.#to.at(name)];
    lchownSync(pathBytes(target), Number(stat.uid), Number(stat.gid));
    for (const [key, value] of readXattrs(source)) setXattr(target, key, value);
    if (!stat.isSymbolicLink()) chmodSync(pathBytes(target), Number(stat.mode % 0o10000n));
    setModified(target, timestamp(stat.mtimeNs));
  }

  /** Whether it is another name of what was copied already. */
  #link(stat: BigIntStats, target: ByteString): boolean {
    if (stat.nlink < 2n) return false;
    const key = `${stat.dev}:${stat.ino}`;
    const known = this.#links.get(key);
    if (known === undefined) {
      const name = target.slice(target.lastIndexOf('/') + 1);
      const path = this.#to.path;
      this.#links.set(key, path === '' ? name : `${path}/${name}`);
      return false;
    }
    const whole = `${this.#target}/${known}`;
    if (whole.length < longestPath) linkSync(pathBytes(whole), pathBytes(target));
    else this.#linkFar(known, target);
    return true;
  }

  /** Step by step, where no call takes the path as a whole. */
  #linkFar(known: ByteString, target: ByteString): void {
    using there = Descent.open(this.#root);
    const steps = known.split('/');
    const name = steps.pop()!;
    for (const step of steps) there.enter(step);
    linkSync(pathBytes(there.at(name)), pathBytes(target));
  }

  #make(source: ByteString, target: ByteString, stat: BigIntStats): void {
    const path = pathBytes(target);
    if (stat.isFile()) {
      copyContents(source, target);
    } else if (stat.isSymbolicLink()) {
      symlinkSync(readlinkSync(pathBytes(source), { encoding: 'buffer' }), path);
    } else {
      const { major, minor } = splitDevice(stat.rdev);
      const type = stat.isFIFO() ? 'fifo' : stat.isBlockDevice() ? 'block' : 'character';
      makeNode(target, type, major, minor);
    }
  }
}
