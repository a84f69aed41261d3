/** Mounts and loop devices where the kernel has not what we would like best: the same comes of it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { requires } from '../requirement.ts';
import { requiresOlderKernel } from './older-kernel.ts';
import { createScratch } from './scratch.ts';

const skip = requires({ tools: ['unshare', 'mksquashfs'], mounts: ['squashfs'] }) || requiresOlderKernel;
const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Runs a script in a mount namespace of its own, all that is mounted in it being shared, as systemd does; what it prints is JSON. */
function runOn(release: string, script: string): unknown {
  const program = `
    import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
    import { attachLoop, listMounts, mountBind, mountFilesystem } from ${url('../../src/host/index.ts')};
    import { olderKernel } from ${url('./older-kernel.ts')};
    if (${JSON.stringify(release)} !== 'this') olderKernel(${JSON.stringify(release)});
    const print = value => process.stdout.write(JSON.stringify(value));
    const fails = work => {
      try { work(); } catch ({ code }) { return code; }
    };
    ${script}`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module'];
  const output = execFileSync('unshare', ['--mount', '--propagation', 'shared', ...node, '-e', program]);
  return JSON.parse(output.toString());
}

for (const release of ['this', '5.2', '5.8', '5.12']) {
  const named = release === 'this' ? 'under this kernel' : `before Linux ${release}`;

  test(`a bind mount has its attributes, below too, and is nobody else's ${named}`, { skip }, () => {
    using scratch = createScratch();
    for (const name of ['from/file/below', 'to', 'plain', 'more']) {
      mkdirSync(scratch.at(name), { recursive: true });
    }
    const at = (name: string) => JSON.stringify(scratch.at(name));
    const found = runOn(
      release,
      `
      mountFilesystem('tmpfs', ${at('from/file')}, [['mode', '0700']], { noExecution: true });
      mountBind(${at('from')}, ${at('to')}, { recursive: true, readOnly: true, noSuid: true });
      mountBind(${at('from')}, ${at('plain')});
      mountFilesystem('tmpfs', ${at('from')}, [], {});
      const places = listMounts().filter(({ target }) => target.startsWith(${at('')}));
      const wanted = ['ro', 'rw', 'nosuid', 'noexec', 'nodev'];
      print({
        mounts: places.map(({ target, attributes }) => [
          target.slice(${at('')}.length + 1),
          attributes.filter(word => wanted.includes(word)).join(),
        ]),
        refused: fails(() => writeFileSync(${at('to/file/new')}, '')),
        plain: fails(() => writeFileSync(${at('plain/new')}, '')) ?? 'written',
        missing: fails(() => mountBind(${at('nothing')}, ${at('more')}, { readOnly: true })),
      });`,
    ) as { mounts: [string, string][] };
    assert.deepEqual(found, {
      mounts: [
        ['from/file', 'rw,noexec'],
        ['to', 'ro,nosuid'],
        ['to/file', 'ro,nosuid,noexec'],
        ['plain', 'rw'],
        ['from', 'rw'],
      ],
      ...{ refused: 'EROFS', plain: 'written', missing: 'not-found' },
    });
  });

  test(`an image in a file is mounted through a loop device that goes with it ${named}`, { skip }, () => {
    using scratch = createScratch();
    for (const name of ['source', 'mounted']) mkdirSync(scratch.at(name));
    writeFileSync(scratch.at('source/file'), 'content');
    execFileSync('mksquashfs', [scratch.at('source'), scratch.at('image'), '-quiet', '-no-progress'], {
      stdio: 'ignore',
    });
    const at = (name: string) => JSON.stringify(scratch.at(name));
    const found = runOn(
      release,
      `
      const { path, flags, kernel } = await (async () => {
        using loop = await attachLoop(${at('image')});
        mountFilesystem('squashfs', ${at('mounted')}, [['source', loop.path]], { readOnly: true, noDevices: true });
        const of = name => readFileSync('/sys/block/' + loop.path.slice(5) + '/' + name, 'utf8').trim();
        return { path: loop.path, flags: [of('ro'), of('loop/autoclear'), of('loop/backing_file')] };
      })();
      const { source, attributes } = listMounts().at(-1);
      print({
        content: readFileSync(${at('mounted/file')}, 'utf8'),
        isSource: source === path,
        ...{ flags, attributes: attributes.slice(0, 2) },
      });`,
    );
    assert.deepEqual(found, {
      content: 'content',
      isSource: true,
      flags: ['1', '1', scratch.at('image')],
      attributes: ['ro', 'nodev'],
    });
  });
}
