/**
 * Run by itself, as root, in a mount namespace of its own (`unshare --mount`): mounts the kernel's OverlayFS over a
 * directory, lets a script loose on it, and prints what is then to be seen, and what stands in the upper directory.
 *
 *     overlay-child.ts LOWER DIRECTORY SCRIPT
 */
import { execFileSync } from 'node:child_process';
import { lchownSync, lstatSync, mkdirSync } from 'node:fs';
import { walkUpper } from '../layer/diff/changes.ts';
import { listDirectory } from '../model/disk.ts';

const [given, base, script] = process.argv.slice(2) as [string, string, string];
const run = (program: string, ...words: string[]) =>
  execFileSync(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
run('mount', '-t', 'tmpfs', '-o', 'mode=700', 'shale-test', base);
// On one filesystem with the upper, where inode numbers tell files apart.
const lower = `${base}/lower`;
run('cp', '-a', given, lower);
const { mode, uid, gid } = lstatSync(lower);
for (const name of ['upper', 'work', 'merged']) mkdirSync(`${base}/${name}`);
run('chmod', (mode % 0o10000).toString(8), `${base}/upper`);
lchownSync(`${base}/upper`, uid, gid);
const options = `lowerdir=${lower},upperdir=${base}/upper,workdir=${base}/work,redirect_dir=off,metacopy=off,index=off`;
run('mount', '-t', 'overlay', '-o', options, 'shale-test', `${base}/merged`);
try {
  execFileSync('sh', ['-c', script], { cwd: `${base}/merged`, stdio: 'ignore' });
  const merged = listDirectory(`${base}/merged`);
  const changes = [];
  for (const { content, xattrs, inode, ...entry } of walkUpper(`${base}/upper`)) {
    const pieces: Buffer[] = [];
    for await (const chunk of content ?? []) pieces.push(Buffer.from(chunk));
    changes.push({
      ...entry,
      inode: String(inode),
      xattrs: [...xattrs].map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
      ...(content !== undefined && { content: Buffer.concat(pieces).toString('base64') }),
    });
  }
  process.stdout.write(JSON.stringify({ merged, changes }));
} finally {
  run('umount', `${base}/merged`);
}
