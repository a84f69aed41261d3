/** Applying an image's layers against `umoci unpack`; and a layer made of what changed, as umoci and skopeo take it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createDecompressor } from '../../src/bytes/codec/index.ts';
import { applyLayer, compareDirectories, readUpper, writeChangesLayer } from '../../src/layer/index.ts';
import { Scratch } from '../engine/scratch.ts';
import { listDirectory } from '../model/disk.ts';
import type { Listing } from '../model/listing.ts';
import { requires } from '../requirement.ts';
import { build, copyRealImage, findImageObstacle, run } from './umoci.ts';

const skip = requires({ root: true, tools: ['umoci', 'skopeo', 'getfattr', 'setfattr', 'tar', 'cp'] });

describe('umoci', { skip }, () => {
  test('an image of GNU tar and umoci repack', async () => {
    using scratch = new Scratch();
    run(scratch.path, `umoci init --layout layout; ${build}`);
    await compare(scratch, 'built');
  });

  for (const tag of ['busybox', 'gzip', 'docker'] as const) {
    test(`a real image: ${tag}`, { skip: findImageObstacle(tag) }, async () => {
      using scratch = new Scratch();
      copyRealImage(tag, scratch.path);
      await compare(scratch, tag);
    });
  }

  test('a layer made of what changed is unpacked to what is there', async () => {
    using scratch = new Scratch();
    run(scratch.path, `umoci init --layout layout; ${build}`);
    await applyImage(scratch, 'built', scratch.file('older'));
    run(scratch.path, `cp -a older newer; cd newer; ${change}`);
    const sides = { older: scratch.file('older'), newer: scratch.file('newer') };
    await writeChangesLayer(compareDirectories(sides), scratch.file('compared.tar'), { compression: 'none' });
    run(
      scratch.path,
      'umoci raw add-layer --image layout:built --tag compared compared.tar; umoci raw unpack --image layout:compared unpacked; skopeo inspect --config oci:layout:compared >/dev/null',
    );
    const expected = listDirectory(scratch.file('newer'));
    assert.deepEqual(maskTimes(listDirectory(scratch.file('unpacked'))), maskTimes(expected));
    // The same as an upper directory would have it, made by applying that layer.
    mkdirSync(scratch.file('upper'));
    const archive = [readFileSync(scratch.file('compared.tar'))];
    await applyLayer(
      streamOf(archive),
      { path: scratch.file('upper'), form: 'overlay' },
      { below: { path: sides.older } },
    );
    const upper = readUpper({ path: scratch.file('upper'), form: 'overlay', lower: sides.older });
    await writeChangesLayer(upper, scratch.file('upper.tar'), { compression: 'none' });
    assert.deepEqual(readFileSync(scratch.file('upper.tar')), archive[0]);
  });
});

async function compare(scratch: Scratch, tag: string): Promise<void> {
  run(scratch.path, `umoci raw unpack --image layout:${tag} unpacked`);
  const given = await applyImage(scratch, tag, scratch.file('applied'));
  const [ours, theirs] = [listDirectory(scratch.file('applied')), listDirectory(scratch.file('unpacked'))];
  assert.ok(ours.length > 1, 'too little to compare');
  assert.deepEqual(maskImplied(ours, given), maskImplied(theirs, given));
}

/** The paths of directories that have an entry. */
async function applyImage(scratch: Scratch, tag: string, path: string): Promise<ReadonlySet<string>> {
  const blob = (digest: string) => readFileSync(scratch.file(`layout/blobs/${digest.replace(':', '/')}`));
  const index = JSON.parse(readFileSync(scratch.file('layout/index.json'), 'utf8'));
  const found = index.manifests.find((each: { annotations: Record<string, string> }) =>
    Object.values(each.annotations ?? {}).includes(tag),
  );
  const manifest = JSON.parse(blob(found.digest).toString()) as { layers: { digest: string }[] };
  const given = new Set<string>();
  mkdirSync(path);
  for (const [layer, { digest }] of manifest.layers.entries()) {
    const archive = decompress(blob(digest));
    const names = execFileSync('tar', ['-t', '--quoting-style=literal', '-f', '-'], {
      input: Buffer.concat(archive),
      encoding: 'latin1',
      maxBuffer: 2 ** 28,
    });
    for (const name of names.split('\n'))
      if (name.endsWith('/'))
        given.add(`/${name.replace(/^\.?\//, '').slice(0, -1)}`.replace(/\/$/, '') || '/');
    await applyLayer(
      streamOf(archive),
      { path, form: 'plain' },
      { layer, below: layer === 0 ? 'nothing' : 'unknown' },
    );
  }
  return given;
}

function decompress(blob: Buffer): Buffer[] {
  const decompressor = createDecompressor();
  const pieces: Buffer[] = [];
  decompressor.push(blob);
  const output = Buffer.alloc(65_536);
  for (let length = decompressor.read(output); length > 0; length = decompressor.read(output))
    pieces.push(Buffer.from(output.subarray(0, length)));
  decompressor.finish();
  decompressor.close();
  return pieces;
}

async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** A directory without an entry has the time when umoci made it. */
function maskImplied(listing: Listing, given: ReadonlySet<string>): Listing {
  return listing.map(line =>
    given.has(line.split(' ')[0]!) ? line : line.replace(/^(\S+ directory \S+ \S+) \S+/, '$1 -'),
  );
}

/** umoci puts directories' times back by its own rules. */
function maskTimes(listing: Listing): Listing {
  return listing.map(line => line.replace(/^(\S+ directory \S+ \S+) \S+/, '$1 -'));
}

const change = `
rm etc/deep/a pipe; echo more >> etc/deep/new; chmod 600 etc/deep/c; chown 3:4 null
rm -r var/lib; mkdir var/lib; echo again > var/lib/only; ln bin/cat bin/tac; ln -s /etc new; mkdir -p x/y/z; mknod x/zero c 1 5
rm bin/vdir; mkdir bin/vdir; setfattr -n user.other -v 1 bin/dir; echo file > x/f; ln x/f x/y/g
`;
