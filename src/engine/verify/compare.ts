import type { Content } from '../../merge/index.ts';
import {
  type ByteString,
  type Node,
  type NodeInode,
  printable,
  type Timestamp,
  type Tree,
  type Xattrs,
} from '../../tree/index.ts';
import type { Artifact } from './artifact.ts';
import { type ContentDigests, digestBytes } from './content-digests.ts';
import type { Differences } from './difference.ts';
import { type Projection, projectXattrs } from './projection.ts';

interface Frame {
  readonly expected: Node<Content> | undefined;
  readonly actual: Node<unknown> | undefined;
  readonly path: ByteString;
  nextExpected: number;
  nextActual: number;
}

/** Two inodes that stand under the same path, at least one of them under others too. */
interface LinkedPair {
  readonly path: ByteString;
  readonly expected: Node<Content>;
  readonly actual: Node<unknown>;
}

/**
 * Compares an artifact with the image's tree, path by path in byte order. An inode is compared once for each inode that it
 * meets, however many names they share; which names are one file is compared by the sets of their paths. Linear in the
 * names of both.
 */
export class Comparison {
  readonly #projection: Projection;
  readonly #contents: ContentDigests;
  readonly #artifact: Artifact;
  readonly #differences: Differences;
  readonly #names = new Map<Node<unknown>, ByteString[]>();
  readonly #pairs = new Map<string, LinkedPair>();

  constructor(options: {
    projection: Projection;
    contents: ContentDigests;
    artifact: Artifact;
    differences: Differences;
  }) {
    this.#projection = options.projection;
    this.#contents = options.contents;
    this.#artifact = options.artifact;
    this.#differences = options.differences;
  }

  run(tree: Tree<Content>): void {
    for (const { path, what } of this.#artifact.strays) {
      this.#differences.add(path, 'extra', () => [undefined, what]);
    }
    const stack = [this.#meet(tree.root, this.#artifact.tree.root, '')];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const left = top.expected?.entries[top.nextExpected];
      const right = top.actual?.entries[top.nextActual];
      const name =
        left === undefined || (right !== undefined && right.name < left.name) ? right?.name : left.name;
      if (name === undefined) {
        stack.pop();
        continue;
      }
      const expected = left?.name === name ? left.node : undefined;
      const actual = right?.name === name ? right.node : undefined;
      if (expected !== undefined) top.nextExpected += 1;
      if (actual !== undefined) top.nextActual += 1;
      const frame = this.#meet(expected, actual, top.path === '' ? name : `${top.path}/${name}`);
      if (expected?.entries.length || actual?.entries.length) stack.push(frame);
    }
    for (const pair of this.#pairs.values()) this.#compareNames(pair);
  }

  #meet(expected: Node<Content> | undefined, actual: Node<unknown> | undefined, path: ByteString): Frame {
    if (expected === undefined) {
      this.#differences.add(path, 'extra', () => [undefined, actual!.inode.type]);
    } else if (actual === undefined) {
      this.#differences.add(path, 'missing', () => [expected.inode.type, undefined]);
    }
    const isLinkedHere = this.#keepName(actual, path);
    const isLinked = this.#keepName(expected, path) || isLinkedHere;
    if (expected !== undefined && actual !== undefined) {
      const key = isLinked ? `${expected.index}:${actual.index}` : '';
      if (!isLinked || !this.#pairs.has(key)) {
        if (isLinked) this.#pairs.set(key, { path, expected, actual });
        this.#compareInodes(expected, actual, path);
      }
    }
    return { expected, actual, path, nextExpected: 0, nextActual: 0 };
  }

  /** Whether the node is one that has several names. */
  #keepName(node: Node<unknown> | undefined, path: ByteString): boolean {
    if (node === undefined || node.inode.type === 'directory' || node.links === 1) return false;
    const names = this.#names.get(node);
    if (names === undefined) this.#names.set(node, [path]);
    else names.push(path);
    return true;
  }

  #compareInodes(expected: Node<Content>, actual: Node<unknown>, path: ByteString): void {
    const image = expected.inode;
    const found = actual.inode;
    const differences = this.#differences;
    if (image.type !== found.type) {
      differences.add(path, 'type', () => [image.type, found.type]);
      return;
    }
    const mode = this.#projection.mode(image);
    if (mode !== found.mode) differences.add(path, 'mode', () => [formatMode(mode), formatMode(found.mode)]);
    const isOwner = (id: number, other: number) => id === other || !this.#projection.holdsId(id);
    if (!isOwner(image.uid, found.uid) || !isOwner(image.gid, found.gid)) {
      differences.add(path, 'owner', () => [formatOwner(image), formatOwner(found)]);
    }
    const mtime = this.#projection.mtime(image);
    if (mtime.seconds !== found.mtime.seconds || mtime.nanoseconds !== found.mtime.nanoseconds) {
      differences.add(path, 'mtime', () => [formatTime(mtime), formatTime(found.mtime)]);
    }
    this.#compareXattrs(image, found, path);
    if (image.type === 'symlink' && found.type === 'symlink' && image.target !== found.target) {
      differences.add(path, 'target', () => [printable(image.target), printable(found.target)]);
    }
    if ('major' in image && 'major' in found) {
      if (image.major !== found.major || image.minor !== found.minor) {
        const format = ({ major, minor }: typeof image) => `${major}:${minor}`;
        differences.add(path, 'device', () => [format(image), format(found)]);
      }
    }
    if (image.type === 'file' && found.type === 'file') {
      if (image.size !== found.size) {
        differences.add(path, 'size', () => [String(image.size), String(found.size)]);
        return;
      }
      const start = actual.index * digestBytes;
      const digest = this.#artifact.digests.subarray(start, start + digestBytes);
      const right = this.#contents.find(image.content);
      if (!isSame(right, digest)) {
        differences.add(path, 'content', () => [formatDigest(right), formatDigest(digest)]);
      }
    }
  }

  #compareXattrs(image: NodeInode<unknown>, found: NodeInode<unknown>, path: ByteString): void {
    if (image.xattrs.size === 0 && found.xattrs.size === 0) return;
    const expected = projectXattrs(this.#projection, image);
    const actual = found.xattrs;
    const differing = [...new Set([...expected.keys(), ...actual.keys()])]
      .sort()
      .filter(name => !isSame(expected.get(name), actual.get(name)));
    if (differing.length === 0) return;
    this.#differences.add(path, 'xattrs', () => [
      formatXattrs(expected, differing),
      formatXattrs(actual, differing),
    ]);
  }

  #compareNames({ path, expected, actual }: LinkedPair): void {
    const left = this.#names.get(expected) ?? [path];
    const right = this.#names.get(actual) ?? [path];
    if (left.length === right.length && left.every((name, index) => name === right[index])) return;
    this.#differences.add(path, 'links', () => [formatNames(left), formatNames(right)]);
  }
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0);
}

function formatMode(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function formatOwner({ uid, gid }: { uid: number; gid: number }): string {
  return `${uid}:${gid}`;
}

/** Seconds since 1970 with nanoseconds, which always count upwards. */
function formatTime({ seconds, nanoseconds }: Timestamp): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

function formatDigest(digest: Uint8Array): string {
  return `sha256:${Buffer.from(digest).toString('hex')}`;
}

/** Long lists and values say nothing to a reader. */
const mostListed = 8;
const mostValue = 64;

function formatXattrs(xattrs: Xattrs, names: readonly ByteString[]): string | undefined {
  const present = names.filter(name => xattrs.has(name));
  if (present.length === 0) return undefined;
  return listSome(
    present.map(name => {
      const value = Buffer.from(xattrs.get(name)!);
      const rest = value.length > mostValue ? `… (${value.length} bytes)` : '';
      return `${printable(name)}=0x${value.toString('hex', 0, mostValue)}${rest}`;
    }),
  );
}

function formatNames(names: readonly ByteString[]): string {
  return listSome(names.map(name => `/${printable(name)}`));
}

function listSome(texts: readonly string[]): string {
  const more = texts.length - mostListed;
  return more > 0 ? `${texts.slice(0, mostListed).join(' ')} and ${more} more` : texts.join(' ');
}
