/** Parser, normaliser and merge against `umoci unpack`, on an image built here and on real ones. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listDirectory } from '../model/disk.ts';
import { applyEngine } from '../model/engine.ts';
import { readLayoutImage } from '../model/layout.ts';
import type { Listing, Outcome } from '../model/listing.ts';
import { applyModel } from '../model/model.ts';
import type { Stack } from '../model/record.ts';

// A folder beside the checkout that may hold real images; see its README for what they are.
const images = join(import.meta.dirname, '../../../shared/images');
const created = { seconds: 1_234_567, nanoseconds: 0 };

describe('umoci', { skip: findObstacle() }, () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'shale-umoci-'));
    run(directory, 'umoci init --layout layout');
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('layers of GNU tar and of umoci repack: deletions, replacements, links, xattrs', () => {
    run(directory, build);
    compare(directory, 'built');
  });

  for (const [tag, source] of [
    ['busybox', 'oci:busybox:busybox:1.38.0-musl'],
    ['gzip', 'oci-archive:test-oci-gzip-image.tar'],
    ['estargz', 'oci-archive:test-oci-estargz-image.tar'],
    ['uncompressed', 'oci-archive:test-oci-uncompressed-image.tar'],
    ['docker', 'docker-archive:test-docker-image.tar'],
  ] as const) {
    const missing = existsSync(join(images, source.split(':')[1]!)) ? false : 'the real images are not here';
    test(`a real image: ${tag}`, { skip: missing }, () => {
      run(images, `skopeo copy --insecure-policy -q ${source} "oci:$0/layout:${tag}"`, directory);
      compare(directory, tag);
    });
  }
});

function compare(directory: string, tag: string): void {
  run(directory, `umoci unpack --image layout:${tag} bundle-${tag}`);
  const stack = readLayoutImage(join(directory, 'layout'), tag);
  const expected = maskImplicit(listDirectory(join(directory, `bundle-${tag}/rootfs`)), stack);
  assert.ok(expected.length > 1, 'too little to compare');
  for (const apply of [applyModel, applyEngine]) {
    const outcome: Outcome = apply(stack, created);
    assert.ok(outcome !== 'rejected', `${apply.name} rejects ${tag}`);
    assert.deepEqual(maskImplicit(outcome.listing, stack), expected, `${apply.name} on ${tag}`);
  }
}

/** A directory without an entry has the time when umoci made it, and the image's creation time in ours. */
function maskImplicit(listing: Listing, stack: Stack): Listing {
  const entries = stack.flat().filter(({ type }) => type === 'directory');
  const given = new Set(entries.map(({ path }) => `/${path.split('/').filter(isName).join('/')}`));
  return listing.map(line =>
    given.has(line.split(' ')[0]!) ? line : line.replace(/^(\S+ directory \S+ \S+) \S+/, '$1 -'),
  );
}

function isName(part: string): boolean {
  return part !== '' && part !== '.';
}

const build = `
mkdir -p one/bin one/etc/deep/er one/var/lib one/keep
cp /bin/ls /bin/cat one/bin
ln one/bin/ls one/bin/dir
ln -s ls one/bin/vdir
ln -s ../etc one/var/etc
mknod one/null c 1 3
mkfifo one/pipe
chmod 4711 one/bin/cat
chown 12:345 one/etc/deep
chmod 1777 one/keep
touch -d @1000000000.25 one/keep one/bin/cat one/bin
setfattr -n user.note -v hello one/bin/ls
for name in a b c d; do echo $name > one/etc/deep/$name; echo $name > one/var/lib/$name; done
tar --xattrs --format=pax -C one -cf one.tar .
mkdir -p two/etc/deep two/var/lib two/bin
echo new > two/etc/deep/new
echo A > two/etc/deep/a
: > two/etc/deep/.wh.b
: > two/etc/deep/.wh.er
: > two/var/lib/.wh..wh..opq
echo only > two/var/lib/only
: > two/.wh.keep
: > two/bin/.wh.ls
tar --format=pax -C two -cf two.tar .
umoci new --image layout:built
umoci raw add-layer --image layout:built one.tar
umoci raw add-layer --image layout:built two.tar
umoci unpack --image layout:built work
cd work/rootfs
rm -r etc/deep
echo file > etc/deep
rm null
mkdir null
ln bin/cat null/tac
rm bin/vdir
cp bin/cat bin/vdir
chown 7:8 var/lib
chmod 2755 bin/dir
cd ../..
umoci repack --image layout:built work
`;

function run(cwd: string, script: string, ...words: string[]): void {
  execFileSync('sh', ['-ec', script, ...words], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

function findObstacle(): string | false {
  if (process.getuid?.() !== 0) return 'owners and devices need root';
  try {
    run('.', 'umoci --version && skopeo --version && getfattr --version && tar --version');
    return false;
  } catch {
    return 'umoci, skopeo, getfattr or tar is not installed';
  }
}
