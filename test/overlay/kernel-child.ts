/**
 * Run by itself, as root, in a mount namespace of its own (`unshare --mount`): writes the projected layers and the head of
 * each stack as directories, lets the kernel's OverlayFS stack them, and prints what it shows as JSON.
 *
 *     kernel-child.ts DIRECTORY SEED COUNT trusted|user wild|tame|tall
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { makeNode, readXattrs, setModified, setXattr, splitDevice, timestamp } from '../../src/host/index.ts';
import type { Content } from '../../src/merge/index.ts';
import { overlayPlan } from '../../src/overlay/index.ts';
import type { Inode, Node, Tree } from '../../src/tree/index.ts';
import { formatListing, type ListedInode, type Listing } from '../model/listing.ts';
import { createRandom } from '../model/random.ts';
import { createStack } from './kernel-stack.ts';
import { mergeStack } from './layers.ts';

const [base, seed, count, xattrs, flavour] = process.argv.slice(2) as [
  string,
  string,
  string,
  'trusted' | 'user',
  'wild' | 'tame' | 'tall',
];
const mount = (...words: string[]): void =>
  void execFileSync('mount', words, { cwd: base, stdio: ['ignore', 'ignore', 'inherit'] });

process.umask(0);
mount('-t', 'tmpfs', '-o', 'mode=700', 'shale-test', base);
process.chdir(base);
mkdirSync('merged');
const shown = Array.from({ length: Number(count) }, (_, index) => {
  const found = mergeStack(createStack(flavour, createRandom(Number(seed) + index)));
  if (found === undefined) return 'rejected';
  const plan = overlayPlan(found.layers, found.merged, { xattrs });
  const stacked = [...plan.stacked.map(layer => plan.layers[layer]!), plan.head];
  // The head alone is no stack: an empty directory makes it one.
  const directories = stacked.length > 1 ? [] : [`${index}e`];
  for (const directory of directories) mkdirSync(directory);
  for (const [position, tree] of stacked.entries()) {
    const directory = position === stacked.length - 1 ? `${index}h` : `${index}_${position}`;
    writeTree(directory, tree, found.contentOf);
    directories.unshift(directory);
  }
  const options = `ro,lowerdir=${directories.join(':')}${xattrs === 'user' ? ',userxattr' : ''}`;
  mount('-t', 'overlay', '-o', options, 'shale-test', 'merged');
  try {
    return listMerged('merged');
  } finally {
    execFileSync('umount', [`${base}/merged`]);
  }
});
process.stdout.write(JSON.stringify(shown));

function writeTree(directory: string, tree: Tree<Content>, contentOf: (content: Content) => string): void {
  const first = new Map<Node<Content>, string>();
  const finish: (() => void)[] = [];
  const visit = (path: string, node: Node<Content>): void => {
    const known = first.get(node);
    if (known !== undefined) {
      linkSync(known, path);
      return;
    }
    first.set(node, path);
    const inode = node.inode as Inode<Content>;
    if (inode.type === 'directory') mkdirSync(path);
    else if (inode.type === 'file') writeFileSync(path, inode.size === 0 ? '' : contentOf(inode.content));
    else if (inode.type === 'symlink') symlinkSync(inode.target, path);
    else if (inode.type === 'block' || inode.type === 'character')
      makeNode(path, inode.type, inode.major, inode.minor);
    else makeNode(path, inode.type);
    finish.push(() => {
      lchownSync(path, inode.uid, inode.gid);
      if (inode.type !== 'symlink') chmodSync(path, inode.mode);
      for (const [name, value] of inode.xattrs) setXattr(path, name, value);
      setModified(path, inode.mtime);
    });
    for (const { name, node: child } of node.entries) visit(`${path}/${name}`, child);
  };
  visit(directory, tree.root);
  for (const run of finish.reverse()) run();
}

/** Names that are listed and are not there are listed, too: as sockets. */
function listMerged(root: string): Listing {
  const found: [string, ListedInode, unknown][] = [];
  const visit = (path: string): void => {
    const full = path === '' ? root : `${root}/${path}`;
    const stat = lstatSync(full, { bigint: true, throwIfNoEntry: false });
    const mtime = timestamp(stat?.mtimeNs ?? 0n);
    const common = { mode: 0, uid: 0, gid: 0, mtime, xattrs: new Map<string, Uint8Array>() };
    if (stat === undefined) {
      found.push([path, { type: 'socket', ...common }, path]);
      return;
    }
    const type = stat.isFile()
      ? 'file'
      : stat.isDirectory()
        ? 'directory'
        : stat.isSymbolicLink()
          ? 'symlink'
          : stat.isFIFO()
            ? 'fifo'
            : stat.isBlockDevice()
              ? 'block'
              : 'character';
    const inode: ListedInode = {
      type,
      mode: Number(stat.mode) % 0o10000,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtime,
      xattrs: readXattrs(full),
      ...(type === 'symlink' && { target: readlinkSync(full, 'latin1') }),
      ...(type === 'file' && { size: Number(stat.size), content: readFileSync(full, 'latin1') }),
      ...((type === 'block' || type === 'character') && splitDevice(stat.rdev)),
    };
    found.push([path, inode, `${stat.dev}:${stat.ino}`]);
    if (type !== 'directory') return;
    for (const name of readdirSync(full, 'latin1')) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return formatListing(found);
}
