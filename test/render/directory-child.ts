/**
 * Run by the tests in a process of its own: `node directory-child.ts TARGET UID STOP`. Renders a tree with all that takes privilege as
 * user UID, and prints the warnings; with STOP it halts there, says so, and waits for its end.
 */
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Warnings } from '../../src/error/index.ts';
import { hasLibc, removeUnfinished } from '../../src/host/index.ts';
import { DirectoryTarget } from '../../src/render/directory/index.ts';
import { validateTree } from '../../src/tree/index.ts';
import { Maker } from './directory-tree.ts';

const [path, user, stop] = process.argv.slice(2) as [string, string, string | undefined];
hasLibc(); // while the package can still be read
const uid = Number(user);
if (uid !== process.geteuid?.()) {
  process.setgroups!([]);
  process.setgid!(uid);
  process.setuid!(uid);
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    removeUnfinished();
    process.exit(3);
  });
}

process.umask(0o777); // must not matter

const maker = new Maker();
const mine = { uid, gid: process.getegid!() };
const bytes = Buffer.from('1');
const root = maker.directory(
  {
    bin: maker.directory(
      {
        su: maker.file('su', { mode: 0o4755 }),
        wall: maker.file('wall', { uid, gid: 0, mode: 0o2755 }),
        own: maker.file('own', { ...mine, mode: 0o6755, xattrs: new Map([['user.x', bytes]]) }),
        ping: maker.file('ping', { ...mine, xattrs: new Map([['trusted.x', bytes]]) }),
      },
      { ...mine, mode: 0o555, mtime: { seconds: 7, nanoseconds: 8 } },
    ),
    dev: maker.directory({
      null: maker.device('character', 1, 3),
      zero: maker.device('character', 1, 5),
      pipe: maker.pipe('fifo', mine),
      log: maker.pipe('socket', mine),
    }),
    secret: maker.directory({ f: maker.file('f', mine) }, { ...mine, mode: 0 }),
    link: maker.symlink('bin/su', mine),
  },
  { ...mine, mode: 0o555 },
);
const reached = async (point: string): Promise<void> => {
  if (stop !== point) return;
  console.log(`reached ${point}`);
  await setTimeout(60_000);
};

const warnings = new Warnings();
await using target = await DirectoryTarget.create(path, { warnings });
await reached('create');
maker.stage(target);
await reached('stage');
await target.assemble(validateTree(root));
await reached('assemble');
await target.commit();
console.log(JSON.stringify({ examples: warnings.examples, names: readdirSync(path).sort() }));
