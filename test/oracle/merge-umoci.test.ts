/** Parser, normaliser and merge against `umoci unpack`, on an image built here and on real ones. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listDirectory } from '../model/disk.ts';
import { applyEngine } from '../model/engine.ts';
import { readLayoutImage } from '../model/layout.ts';
import type { Listing, Outcome } from '../model/listing.ts';
import { applyModel } from '../model/model.ts';
import type { Stack } from '../model/record.ts';
import { requires } from '../requirement.ts';
import { build, copyRealImage, findImageObstacle, type RealImage, realImages, run } from './umoci.ts';

const created = { seconds: 1_234_567, nanoseconds: 0 };
const skip = requires({ root: true, tools: ['umoci', 'skopeo', 'getfattr', 'setfattr', 'tar'] });

describe('umoci', { skip }, () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'shale-umoci-'));
    run(directory, 'umoci init --layout layout');
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('layers of GNU tar and of umoci repack: deletions, replacements, links, xattrs', () => {
    run(directory, build + repack);
    compare(directory, 'built');
  });

  for (const tag of Object.keys(realImages) as RealImage[]) {
    test(`a real image: ${tag}`, { skip: findImageObstacle(tag) }, () => {
      copyRealImage(tag, directory);
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

/** A third layer, by umoci. */
const repack = `
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
