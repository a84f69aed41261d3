/**
 * A setuid program that is replaced while somebody keeps a hardlink to it: CVE-2010-2059 (rpm) and CVE-2004-2768 (dpkg) left the old one
 * setuid, others wrote the new bytes into the old file, or the new mode to it. A new file is a new inode, complete
 * with its metadata before it has a name, and the old inode is not touched.
 */
import assert from 'node:assert/strict';
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createScratch } from '../host/scratch.ts';
import { applyRecords } from '../layer/apply/stacks.ts';
import { directory, file, forms, hardlink } from './outside.ts';

const own = { uid: process.getuid!(), gid: process.getgid!() };

for (const form of forms) {
  test(form, async () => {
    using scratch = createScratch();
    mkdirSync(scratch.at('root/bin'), { recursive: true });
    writeFileSync(scratch.at('root/bin/tool'), 'old');
    chmodSync(scratch.at('root/bin/tool'), 0o755);
    linkSync(scratch.at('root/bin/tool'), scratch.at('kept'));
    linkSync(scratch.at('root/bin/tool'), scratch.at('root/bin/other'));
    const before = lstatSync(scratch.at('kept'), { bigint: true });
    await applyRecords(
      [
        directory('bin', own),
        file('bin/tool', { mode: 0o4755, ...own }),
        hardlink('bin/link', 'bin/tool', own),
        file('bin/other', { mode: 0o600, ...own }),
      ],
      scratch.at('root'),
      form,
    );
    const { ino, mode, size, mtimeNs } = lstatSync(scratch.at('kept'), { bigint: true });
    assert.deepEqual([ino, mode, size, mtimeNs], [before.ino, before.mode, before.size, before.mtimeNs]);
    assert.equal(readFileSync(scratch.at('kept'), 'utf8'), 'old');
    const made = lstatSync(scratch.at('root/bin/tool'), { bigint: true });
    assert.notEqual(made.ino, before.ino);
    assert.equal(Number(made.mode) % 0o10000, 0o4755);
    assert.equal(made.nlink, 2n);
  });
}
