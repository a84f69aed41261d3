/** Images of host directories, judged by unsquashfs and by our own reader, against what lstat says of the directory. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Warnings } from '../../../src/error/index.ts';
import { isRoot } from '../../../src/host/index.ts';
import { type DirectoryImageOptions, renderDirectory } from '../../../src/zone/disk/index.ts';
import { Scratch } from '../../engine/scratch.ts';
import { createRandom, readSeed } from '../../model/random.ts';
import { requires } from '../../requirement.ts';
import { listDisk } from '../../squashfs/disk.ts';
import { listImage } from '../../squashfs/read-back.ts';
import { noise } from '../../store/sample.ts';

const seed = readSeed();

/** Everything that a directory can hold, but sockets. */
function fill(root: string, random = createRandom(seed)): void {
  const script = `
cd "$1"
mkdir -p a/b/c 'sp ace' "$(printf 'n\\303\\244me\\377')" empty
ln -s /etc/passwd a/absolute; ln -s ../../../../.. a/b/up; ln -s nowhere a/dangling; ln -s . loop
mkfifo pipe
echo hello > a/one; ln a/one a/b/two; ln a/one three; ln pipe a/pipe; ln a/dangling a/b/dangling
chmod 4755 a/one; chmod 1777 empty; chmod 000 'sp ace'
setfattr -n user.color -v red a/one 2>/dev/null || true
setfattr -n user.nothing a/b 2>/dev/null || true
if [ "$(id -u)" = 0 ]; then
  mknod null c 1 3; mknod disk b 8 300; chown 1234:65534 a/b; chown -h 77:88 a/dangling
  setfattr -n trusted.secret -v x a/b/c 2>/dev/null || true
fi
`;
  execFileSync('sh', ['-ec', script, 'sh', root], { stdio: 'ignore' });
  for (let index = 0; index < 120; index++) {
    const size = random.pick([
      0,
      1,
      random.integer(3000),
      random.integer(200_000),
      131_072,
      131_073,
      400_000,
    ]);
    const bytes = random.chance(0.3) ? Buffer.alloc(size, 'text ') : noise(random.integer(30), size);
    writeFileSync(`${root}/a/b/c/${index}`, bytes);
    utimesSync(`${root}/a/b/c/${index}`, 1, random.integer(2_000_000_000));
  }
  writeFileSync(`${root}/sparse`, 'begin');
  truncateSync(`${root}/sparse`, 5_000_000);
  appendFileSync(`${root}/sparse`, 'end');
  writeFileSync(`${root}/large`, noise(7, 3_000_000));
}

async function render(directory: string, out: string, options: DirectoryImageOptions = {}): Promise<Buffer> {
  await renderDirectory(directory, out, options);
  return readFileSync(out);
}

for (const compression of ['zstd', 'gzip', 'lz4', 'none'] as const) {
  test(`an image holds what the directory does: ${compression} (SEED=${seed})`, {
    skip: requires({ tools: ['unsquashfs', 'setfattr'] }),
  }, async () => {
    using scratch = new Scratch();
    const source = scratch.directory('source');
    fill(source);
    const expected = listDisk(source);
    const image = await render(source, scratch.file('image'), { compression });
    assert.deepEqual(listImage(image), expected);
    assert.equal(statSync(scratch.file('image')).mode % 0o1000, 0o600);
    if (!isRoot()) return;
    execFileSync('unsquashfs', ['-n', '-q', '-xattrs', '-d', scratch.file('out'), scratch.file('image')], {
      stdio: 'ignore',
    });
    assert.deepEqual(listDisk(scratch.file('out')), expected);
  });
}

test(`the same directory gives the same bytes, however many threads and whenever (SEED=${seed})`, {
  skip: requires({ tools: ['setfattr'] }),
}, async () => {
  using scratch = new Scratch();
  const source = scratch.directory('source');
  fill(source);
  const one = await render(source, scratch.file('one'), { threads: 1 });
  const three = await render(source, scratch.file('three'), { threads: 3 });
  assert.ok(one.equals(three));
  // Another directory with the same in it; its inode numbers and the order of its names are others.
  const copy = scratch.file('copy');
  execFileSync('cp', ['-a', source, copy]);
  assert.ok((await render(copy, scratch.file('two'))).equals(one));
});

test('the kernel mounts it', {
  skip: requires({ tools: ['unshare'], mounts: ['squashfs'] }),
}, async context => {
  using scratch = new Scratch();
  const source = scratch.directory('source');
  fill(source);
  await renderDirectory(source, scratch.file('image'), { compression: 'gzip' });
  mkdirSync(scratch.file('mnt'));
  const list =
    'find . -printf "%p %y %m %U:%G %n %s %l\\n" | sort; find . -type f | sort | xargs -d "\\n" sha256sum';
  const script = `mount -o loop,ro "$0" "$1" && cd "$1" && ${list}`;
  let found: string;
  try {
    const words = [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-ec',
      script,
      scratch.file('image'),
      scratch.file('mnt'),
    ];
    found = execFileSync('unshare', words, { encoding: 'latin1' });
  } catch {
    context.skip('no loop devices, or a kernel without squashfs');
    return;
  }
  const expected = execFileSync('sh', ['-ec', list], { cwd: source, encoding: 'latin1' });
  // What a directory's size is, each filesystem has its own idea of.
  const comparable = (text: string) =>
    text.split('\n').map(line => line.replace(/^(\S.* d .*) \d+ \d+ $/, '$1'));
  assert.deepEqual(comparable(found), comparable(expected));
});

test('an empty directory, and one that is reached by a symlink of the user', async () => {
  using scratch = new Scratch();
  const source = scratch.directory('source');
  symlinkSync('source', scratch.file('link'));
  const expected = listDisk(source);
  assert.deepEqual(listImage(await render(source, scratch.file('one'))), expected);
  assert.deepEqual(listImage(await render(scratch.file('link'), scratch.file('two'))), expected);
});

test('sockets are left out with a warning; strictly, that is an error', async () => {
  using scratch = new Scratch();
  const source = scratch.directory('source');
  writeFileSync(`${source}/file`, 'x');
  const server = createServer();
  await new Promise<void>(resolve => server.listen(`${source}/socket`, resolve));
  try {
    const warnings = new Warnings();
    const image = await render(source, scratch.file('image'), { warnings });
    assert.deepEqual([...warnings.counts], [['left-out', 1]]);
    assert.deepEqual(
      listImage(image),
      listDisk(source).filter(line => !line.startsWith('/socket')),
    );
    const strict = renderDirectory(source, scratch.file('strict'), {
      warnings: new Warnings({ strict: true }),
    });
    await assert.rejects(strict, { code: 'invalid' });
    assert.ok(!existsSync(scratch.file('strict')));
  } finally {
    await new Promise(resolve => server.close(resolve));
  }
});

test('a file that changes while it is read is a conflict, and nothing is left', async () => {
  using scratch = new Scratch();
  const source = scratch.directory('source');
  writeFileSync(`${source}/large`, noise(1, 24 * 2 ** 20));
  for (const change of [
    () => appendFileSync(`${source}/large`, 'more'),
    () => truncateSync(`${source}/large`, 1000),
    () => utimesSync(`${source}/large`, 1, 1),
  ]) {
    const clock = setInterval(change, 0);
    try {
      await assert.rejects(renderDirectory(source, scratch.file('image'), { threads: 1 }), {
        code: 'conflict',
      });
    } finally {
      clearInterval(clock);
    }
    assert.ok(!existsSync(scratch.file('image')));
    writeFileSync(`${source}/large`, noise(1, 24 * 2 ** 20));
  }
});

test('what cannot be is a typed error that leaves nothing', async () => {
  using scratch = new Scratch();
  const source = scratch.directory('source');
  const out = scratch.file('image');
  await assert.rejects(renderDirectory(scratch.file('none'), out), { code: 'not-found' });
  writeFileSync(scratch.file('file'), 'x');
  await assert.rejects(renderDirectory(scratch.file('file'), out), { code: 'invalid' });
  await assert.rejects(renderDirectory(source, out, { signal: AbortSignal.abort() }), { code: 'cancelled' });
  await assert.rejects(renderDirectory(source, scratch.file('no', 'where')), { code: 'not-found' });
  assert.ok(!existsSync(out));
  writeFileSync(out, 'mine');
  await assert.rejects(renderDirectory(source, out), { code: 'exists' });
  assert.equal(readFileSync(out, 'utf8'), 'mine');
  rmSync(out);
});

test('a tree deeper than a path can be', async () => {
  using scratch = new Scratch();
  const source = scratch.directory('source');
  const depth = 300;
  const script = `i=0; while [ $i -lt ${depth} ]; do mkdir ${'d'.repeat(40)}; cd -P ${'d'.repeat(40)}; i=$((i+1)); done; echo deep > file`;
  execFileSync('bash', ['-ec', script], { cwd: source });
  const listing = listImage(await render(source, scratch.file('image')));
  assert.equal(listing.length, depth + 2);
  // Node's own removal goes by paths.
  execFileSync('rm', ['-rf', source]);
});
