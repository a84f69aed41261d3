import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { HostError, mountFilesystem } from '../../src/host/index.ts';
import { listDisk } from '../disk.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import { mountErofs, mountOverlay } from '../kernel-mount.ts';
import { isBeforeLinux, requires } from '../requirement.ts';
import { createScratch } from './scratch.ts';

const numbers = Array.from({ length: 500 }, (_, index) => index);
/** More than fsconfig(2) takes as a value. */
const long = 'long-name-'.repeat(20);

test('five hundred layers are one overlay, the newest on top', {
  skip: requires({ mounts: ['overlay'] }) || isBeforeLinux('6.8'),
}, () => {
  using scratch = createScratch();
  const lowers = numbers.map(number => {
    const lower = scratch.at(`${long}/${long}-${number}`);
    mkdirSync(lower, { recursive: true });
    writeFileSync(`${lower}/own-${number}`, '');
    writeFileSync(`${lower}/shared`, `${number}`.padStart(4));
    return lower;
  });
  using oldest = mountOverlay([lowers[0]!]);
  using all = mountOverlay(lowers.toReversed());
  const names = (lines: readonly string[]) => new Set(lines.map(line => line.split(' ', 1)[0]));
  assert.deepEqual(
    names(listDisk(all.path)),
    new Set(['/', '/shared', ...numbers.map(number => `/own-${number}`)]),
  );
  const shared = (root: string) => listDisk(root).find(line => line.startsWith('/shared '));
  assert.equal(shared(all.path), shared(lowers[499]!));
  assert.equal(shared(oldest.path), shared(lowers[0]!));
});

test('five hundred devices are one EROFS', {
  skip: requiresNewErofs() || requires({ mounts: ['erofs'] }) || isBeforeLinux('6.12'),
}, () => {
  using scratch = createScratch();
  const mkfs = (...words: string[]) => execFileSync(newErofsTool('mkfs.erofs')!, words, { stdio: 'ignore' });
  const expected: string[] = [];
  const layers = numbers.map(number => {
    const source = scratch.at(`source-${number}`);
    mkdirSync(source);
    writeFileSync(`${source}/file-${number}`, Buffer.alloc(5000, `${number} `));
    expected.push(listDisk(source)[1]!);
    const layer = scratch.at(`layer-${number}`);
    mkfs('--chunksize=4096', layer, source);
    return layer;
  });
  const merged = scratch.at('merged');
  mkfs(merged, ...layers);
  using mounted = mountErofs(merged, { devices: layers });
  assert.deepEqual(listDisk(mounted.path).slice(1), expected.sort());
});

test('a mount that fails says why, in the words of the kernel where it has some', {
  skip: requires({ mounts: ['erofs', 'overlay'] }) || isBeforeLinux('6.12'),
}, () => {
  using scratch = createScratch();
  const [target, other] = [scratch.at('target'), scratch.at('other')];
  for (const directory of [target, other]) mkdirSync(directory);
  writeFileSync(scratch.at('noise'), Buffer.alloc(8192, 'noise'));
  const fails = (code: string, message: RegExp, ...parameters: Parameters<typeof mountFilesystem>) =>
    assert.throws(
      () => mountFilesystem(...parameters),
      error => {
        assert.ok(error instanceof HostError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
  fails('unsupported', /type nonesuch.*ENODEV/, 'nonesuch', target, []);
  fails('invalid', /Unknown parameter 'nonsense'.*EINVAL/, 'erofs', target, [['nonsense', 'x']]);
  fails('invalid', /EINVAL/, 'erofs', target, [['source', scratch.at('noise')]]);
  fails('not-found', /ENOENT/, 'erofs', target, [['source', scratch.at('nothing')]]);
  fails('not-found', /ENOENT/, 'overlay', target, [['lowerdir+', scratch.at(`${long}/${long}`)]]);
  fails('not-found', /ENOENT/, 'overlay', scratch.at('nowhere'), [
    ['lowerdir+', target],
    ['lowerdir+', other],
  ]);
});
