import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { requiresOlderKernel } from '../host/older-kernel.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const skip = requires({ tools: ['unshare'], mounts: ['overlay'] }) || requiresOlderKernel;
const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** An overlay of 150 directories with names of 60 bytes, in a mount namespace of its own: what it shows, or the error. */
function mountMany(directory: string, before: string): unknown {
  const lowers = Array.from({ length: 150 }, (_, index) => `${directory}/${`${index}-`.padEnd(60, 'x')}`);
  for (const lower of lowers) {
    mkdirSync(lower);
    writeFileSync(`${lower}/${lower.slice(-60)}`, '');
  }
  mkdirSync(`${directory}/target`);
  const program = `
    import { readdirSync } from 'node:fs';
    import { mountAll } from ${url('../../src/snapshot/mounting.ts')};
    import { olderKernel } from ${url('../host/older-kernel.ts')};
    ${before}
    const options = ['index=off', 'lowerdir=${lowers.join(':')}'];
    let answer;
    try {
      await mountAll([{ type: 'overlay', source: 'overlay', options }], '${directory}/target');
      answer = readdirSync('${directory}/target').length;
    } catch ({ code, message, hint }) {
      answer = { code, message, hint };
    }
    process.stdout.write(JSON.stringify(answer));`;
  writeFileSync(`${directory}/mount.mjs`, program);
  return JSON.parse(
    execFileSync('unshare', ['--mount', process.execPath, `${directory}/mount.mjs`]).toString(),
  );
}

test('more lower directories than a page holds are mounted', { skip }, context => {
  using scratch = createScratch();
  const found = mountMany(scratch.path, '');
  if (typeof found !== 'number') return context.skip('before Linux 6.8');
  assert.equal(found, 150);
});

for (const release of ['5.2', '6.8']) {
  test(`before Linux ${release} they are too many, and it is said what to do`, { skip }, () => {
    using scratch = createScratch();
    const found = mountMany(scratch.path, `olderKernel('${release}');`) as Readonly<Record<string, string>>;
    assert.equal(found.code, 'unsupported');
    assert.match(found.message!, /^150 lower directories do not fit into one mount here: /);
    assert.equal(found.hint, 'this takes Linux 6.8 or later, or a shorter --root');
  });
}
