/**
 * Run by itself, as root, inside a mount namespace of its own (`unshare --mount`): makes a directory of each layer of
 * each tame stack, lets the kernel's OverlayFS merge them, and prints the listings as JSON.
 *
 *     overlayfs.ts DIRECTORY SEED COUNT
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, lchownSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { listDirectory } from './disk.ts';
import type { Listing } from './listing.ts';
import { createRandom } from './random.ts';
import type { LayerRecord } from './record.ts';
import { createTameStack } from './tame.ts';

const [base, seed, count] = process.argv.slice(2) as [string, string, string];
run('mount', '-t', 'tmpfs', '-o', 'mode=700', 'shale-test', base);
const listings = Array.from({ length: Number(count) }, (_, index) =>
  mergeByKernel(`${base}/${index}`, createTameStack(createRandom(Number(seed) + index))),
);
process.stdout.write(JSON.stringify(listings));

function mergeByKernel(directory: string, stack: LayerRecord[][]): Listing {
  mkdirSync(`${directory}/merged`, { recursive: true });
  const devices: string[] = [];
  const attributes: string[] = [];
  const finish: (() => void)[] = [];
  for (const [index, layer] of stack.entries()) {
    writeLayer(`${directory}/${index}`, layer, devices, attributes, finish);
  }
  // mknod(1) and setfattr(1) once a stack; owners before modes, for chown clears setuid; times last, directories after their children.
  if (devices.length > 0) run('sh', '-ec', devices.join('\n'));
  for (const run of finish.reverse()) run();
  execFileSync('setfattr', ['-h', '--restore=-'], { input: attributes.join('\n') });
  const lower = [...stack.keys()].reverse().map(index => `${directory}/${index}`);
  run('mount', '-t', 'overlay', '-o', `ro,lowerdir=${lower.join(':')}`, 'shale-test', `${directory}/merged`);
  try {
    return listDirectory(`${directory}/merged`, bytes => bytes.toString('latin1'));
  } finally {
    run('umount', `${directory}/merged`);
  }
}

/** The records as what OverlayFS reads: whiteouts as 0:0 devices, opaque as an xattr. */
function writeLayer(
  root: string,
  layer: readonly LayerRecord[],
  devices: string[],
  attributes: string[],
  finish: (() => void)[],
): void {
  const isWhiteout = (record: LayerRecord): boolean => record.path.includes('.wh.');
  const own = new Map(layer.filter(record => !isWhiteout(record)).map(record => [record.path, record]));
  const opaque = new Set<string>();
  // Parents come before what they hold in a tame layer; whiteouts stand anywhere, so they go last.
  for (const record of own.values()) {
    writeRecord(root, record, devices, finish);
    if (record.xattrs.size === 0 || record.type === 'hardlink') continue;
    const values = [...record.xattrs].map(
      ([name, value]) => `${name}=0x${Buffer.from(value).toString('hex')}`,
    );
    attributes.push(`# file: ${root}/${record.path}`, ...values, '');
  }
  for (const { path } of layer.filter(isWhiteout)) {
    if (path.endsWith('/.wh..wh..opq')) {
      opaque.add(path.slice(0, -'/.wh..wh..opq'.length));
      continue;
    }
    const hidden = path.replace('.wh.', '');
    const instead = own.get(hidden);
    if (instead === undefined) devices.push(`mknod '${root}/${hidden}' c 0 0`);
    if (instead?.type === 'directory') opaque.add(hidden);
  }
  for (const path of opaque) attributes.push(`# file: ${root}/${path}`, 'trusted.overlay.opaque="y"', '');
}

function writeRecord(root: string, record: LayerRecord, devices: string[], finish: (() => void)[]): void {
  const { type, linkpath, content, mode, uid, gid, mtime, major, minor } = record;
  const path = `${root}/${record.path}`;
  if (type === 'hardlink') {
    linkSync(`${root}/${linkpath}`, path);
    return;
  }
  if (type === 'file') writeFileSync(path, content);
  else if (type === 'directory') mkdirSync(path, { recursive: true });
  else if (type === 'symlink') symlinkSync(linkpath, path);
  else devices.push(`mknod '${path}' ${type === 'fifo' ? 'p' : `c ${major} ${minor}`}`);
  finish.push(() => {
    lchownSync(path, uid, gid);
    if (type !== 'symlink') chmodSync(path, mode);
    const seconds = mtime.seconds + mtime.nanoseconds / 1e9;
    lutimesSync(path, seconds, seconds);
  });
}

function run(command: string, ...words: string[]): void {
  execFileSync(command, words, { stdio: ['ignore', 'ignore', 'inherit'] });
}
