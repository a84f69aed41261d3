import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { exitStatus } from '../../src/error/index.ts';
import { appendVerityTree, createVerityTree, measureFile } from '../../src/verity/index.ts';
import { noise } from '../store/sample.ts';
import { sample, shale, temporary, writeImage } from './fixture.ts';

const verify = (...words: string[]) => shale(['verify', ...words]);

async function json(...words: string[]) {
  const { status, stdout } = await verify(...words, '--json');
  return { status, value: JSON.parse(stdout.toString()) };
}

/** Changes one bit of a file. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 4;
  writeFileSync(path, bytes);
}

test('a tree that is appended, beside, named, or not there', async () => {
  using directory = temporary();
  const size = 200 * 4096;
  const make = (name: string) => {
    const path = directory.file(name);
    writeFileSync(path, noise(1, size));
    return path;
  };
  const [appended, beside, named, none] = ['appended', 'beside', 'named', 'none'].map(make) as [
    string,
    string,
    string,
    string,
  ];
  const { rootHash } = await appendVerityTree({ data: appended });
  await createVerityTree({ data: beside, tree: `${beside}.verity` });
  const salted = await createVerityTree({ data: named, tree: directory.file('tree'), salt: noise(2, 16) });
  const cases = [
    { path: appended, words: ['--root-hash', rootHash], tree: { path: appended, hashOffset: size } },
    {
      path: appended,
      words: ['--root-hash', rootHash, '--hash-offset', `${size}`],
      tree: { path: appended, hashOffset: size },
    },
    { path: beside, words: ['--root-hash', rootHash], tree: { path: `${beside}.verity`, hashOffset: 0 } },
    {
      path: named,
      words: ['--root-hash', salted.rootHash, '--hash-file', salted.path],
      tree: { path: salted.path, hashOffset: 0 },
    },
    { path: none, words: ['--root-hash', rootHash.toUpperCase()], tree: undefined },
  ];
  for (const { path, words, tree } of cases) {
    const { status, value } = await json(path, ...words);
    assert.equal(status, 0, words.join(' '));
    const { seconds, ...report } = value;
    assert.equal(typeof seconds, 'number');
    assert.deepEqual(report, {
      ...{ same: true, path, size: readFileSync(path).length, dataBlocks: 200 },
      ...{ rootHash: path === named ? salted.rootHash : rootHash, salt: path === named ? salted.salt : '' },
      ...(tree && { tree }),
    });
  }
  for (const { path, words, tree } of cases) {
    flip(path, 77 * 4096 + 5);
    const { status, value } = await json(path, ...words);
    assert.equal(status, exitStatus.corrupt);
    assert.equal(value.error.code, 'corrupt');
    const place = { path, what: 'data', block: 77, offset: 77 * 4096 };
    if (tree !== undefined) assert.deepEqual(value.error.detail, place);
    flip(path, 77 * 4096 + 5);
  }
  // Without a tree of its own salt no block can be named, and it is said why.
  const { stderr, status } = await verify(named, '--root-hash', salted.rootHash);
  assert.equal(status, exitStatus.corrupt);
  assert.match(stderr, /--hash-file/);
});

test('a flipped bit of the tree is named as one', async () => {
  using directory = temporary();
  const path = directory.file('data');
  writeFileSync(path, noise(1, 200 * 4096));
  const { rootHash } = await appendVerityTree({ data: path });
  flip(path, 202 * 4096);
  const { status, stderr, stdout } = await verify(path, '--root-hash', rootHash);
  assert.equal(status, exitStatus.corrupt);
  assert.equal(stdout.length, 0);
  assert.match(stderr, /hash block 202 \(byte 827392\)/);
});

test('fs-verity digests', async () => {
  using directory = temporary();
  const path = directory.file('data');
  for (const size of [0, 5, 4096, 600_000]) {
    writeFileSync(path, noise(size, size));
    const { fsverity, rootHash } = await measureFile(path);
    const words = ['--fs-verity', fsverity, ...(rootHash === undefined ? [] : ['--root-hash', rootHash])];
    const { status, value } = await json(path, ...words);
    assert.equal(status, 0);
    assert.equal(value.fsverity, fsverity);
    if (size === 0) continue;
    flip(path, size - 1);
    assert.equal((await verify(path, '--fs-verity', fsverity, '-q')).status, exitStatus.corrupt);
  }
});

test('the image and the hashes of an artifact in one command', async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  const artifact = directory.file('root.sqfs');
  assert.equal((await shale(['render', source, artifact, '-q'])).status, 0);
  const { rootHash, hashOffset } = await appendVerityTree({ data: artifact });
  const right = await json(source, artifact, '--root-hash', rootHash);
  assert.equal(right.status, 0);
  assert.equal(right.value.same, true);
  assert.equal(right.value.differenceCount, 0);
  assert.deepEqual(right.value.hashes.tree, { path: artifact, hashOffset });
  assert.match(
    (await verify(source, artifact, '--root-hash', rootHash)).stderr,
    /is the image; .*\n.*is what the root hash says/,
  );
  const wrong = await json(source, artifact, '--root-hash', '00'.repeat(32));
  assert.deepEqual([wrong.status, wrong.value.error.code], [exitStatus.corrupt, 'corrupt']);
  // A byte behind the squashfs, which no comparison with the image would look at.
  flip(artifact, hashOffset + 4095);
  assert.equal((await verify(source, artifact, '-q')).status, 0);
  assert.equal((await verify(source, artifact, '--root-hash', rootHash)).status, exitStatus.corrupt);
});

test('what is missing, or no such hash', async () => {
  using directory = temporary();
  const path = directory.file('data');
  writeFileSync(path, noise(1, 8192));
  const rootHash = '00'.repeat(32);
  const usage: readonly (readonly [string[], RegExp])[] = [
    [[path], /needs ARTIFACT, or --root-hash or --fs-verity/],
    [[path, '--hash-file', path], /--hash-file .* needs --root-hash/],
    [[path, '--hash-offset', '0', '--fs-verity', `sha256:${rootHash}`], /--hash-offset .* needs --root-hash/],
  ];
  for (const [words, message] of usage) {
    const { status, stderr } = await verify(...words);
    assert.equal(status, 2);
    assert.match(stderr, message);
  }
  const statuses: readonly (readonly [string[], number])[] = [
    [[path, '--root-hash', '12'], exitStatus.invalid],
    [[path, '--fs-verity', rootHash], exitStatus.invalid],
    [[path, '--root-hash', rootHash, '--hash-offset', '4096'], exitStatus.invalid],
    [[directory.file('none'), '--root-hash', rootHash], exitStatus['not-found']],
    [[path, '--root-hash', rootHash, '--hash-file', directory.file('none')], exitStatus['not-found']],
    [[path, '--root-hash', rootHash], exitStatus.corrupt],
  ];
  for (const [words, expected] of statuses)
    assert.equal((await verify(...words)).status, expected, words.join(' '));
});
