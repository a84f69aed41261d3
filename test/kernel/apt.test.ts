import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { installKernel } from '../../src/kernel/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { kernelTree, makeDeb, release } from './fixture.ts';

const skip = requires({ tools: ['dpkg-deb', 'lz4', 'sh'] });

/** A package index and downloads that are scripts, first on PATH. They note what they were asked. */
function fakeApt(scratch: ReturnType<typeof createScratch>, sha256: string, deb: string): Disposable {
  const path = process.env.PATH;
  mkdirSync(scratch.at('bin'));
  const script = (name: string, text: string) =>
    writeFileSync(scratch.at(`bin/${name}`), `#!/bin/sh\necho "$0 $*" >> ${scratch.at('log')}\n${text}\n`, {
      mode: 0o755,
    });
  script(
    'apt-cache',
    `case "$4" in
meta) printf 'Package: meta\\nVersion: 1\\nDepends: other (>= 1), linux-image-${release} (= 6.1.9-1)\\n' ;;
linux-image-${release}) printf 'Package: linux-image-${release}\\nVersion: 6.1.9-1\\nSHA256: ${sha256}\\nDepends: kmod\\n' ;;
loop) printf 'Package: loop\\nVersion: 1\\nDepends: linux-image-loop\\n' ;;
linux-image-loop) printf 'Package: linux-image-loop\\nVersion: 1\\nDepends: linux-image-loop\\n' ;;
*) echo 'E: No packages found' >&2; exit 100 ;;
esac`,
  );
  script(
    'apt-get',
    `test -e ${scratch.at('offline')} && { echo 'E: no network' >&2; exit 100; }\ncp ${deb} ./x.deb`,
  );
  process.env.PATH = `${scratch.at('bin')}:${path}`;
  return {
    [Symbol.dispose]() {
      process.env.PATH = path;
    },
  };
}

test('the package that a metapackage depends on is fetched by apt, once', { skip }, async () => {
  using scratch = createScratch();
  const deb = makeDeb(scratch.path, kernelTree());
  const sha256 = createHash('sha256').update(readFileSync(deb)).digest('hex');
  using _apt = fakeApt(scratch, sha256, deb);
  const root = scratch.at('root');
  writeFileSync(scratch.at('offline'), '');
  await assert.rejects(installKernel({ root, from: 'meta' }), { code: 'unavailable', message: /no network/ });
  assert.deepEqual(readdirSync(join(root, 'kernels')), ['.lock']);
  writeFileSync(
    scratch.at('bin/apt-get'),
    readFileSync(scratch.at('bin/apt-get'), 'utf8').replace('test -e', 'false'),
  );
  const kernel = await installKernel({ root, from: 'meta' });
  assert.equal(kernel.name, `linux-image-${release}`);
  assert.deepEqual(readdirSync(join(root, 'kernels')).sort(), ['.lock', kernel.name]);
  const log = () => readFileSync(scratch.at('log'), 'utf8');
  assert.match(log(), new RegExp(`download -- linux-image-${release}=6.1.9-1$`, 'm'));
  const downloads = log().match(/download/g)!.length;
  await installKernel({ root, from: 'meta' });
  assert.equal(log().match(/download/g)!.length, downloads);
});

test('a package that apt does not know, or that is not what its index says', { skip }, async () => {
  using scratch = createScratch();
  const deb = makeDeb(scratch.path, kernelTree());
  using _apt = fakeApt(scratch, '0'.repeat(64), deb);
  const root = scratch.at('root');
  await assert.rejects(installKernel({ root, from: 'meta' }), { code: 'corrupt', message: /digest/ });
  await assert.rejects(installKernel({ root, from: 'nothing' }), {
    code: 'not-found',
    hint: /apt-get update/,
  });
  await assert.rejects(installKernel({ root, from: 'loop' }), { code: 'invalid' });
  await assert.rejects(installKernel({ root, from: '--option' }), { code: 'not-found' });
});
