import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { requires } from '../requirement.ts';
import { bin, cleanEnvironment, layer, run, sample, shale, temporary, writeImage } from './fixture.ts';

test('render: the format follows from the name, several outputs come from one call, nothing else is left', async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  mkdirSync(directory.file('out'));
  const cwd = directory.file('out');
  const { status, stdout, stderr } = await shale(['render', source, 'a.sqfs', 'b.squashfs', 'c.tar', 'd/'], {
    cwd,
  });
  assert.deepEqual([status, stdout.length], [0, 0], stderr);
  assert.deepEqual(readdirSync(cwd).sort(), ['a.sqfs', 'b.squashfs', 'c.tar', 'd']);
  assert.equal(readFileSync(`${cwd}/a.sqfs`).subarray(0, 4).toString(), 'hsqs');
  assert.deepEqual(readFileSync(`${cwd}/a.sqfs`), readFileSync(`${cwd}/b.squashfs`));
  assert.equal(readFileSync(`${cwd}/c.tar`).subarray(257, 262).toString(), 'ustar');
  assert.equal(readFileSync(`${cwd}/d/etc/passwd`, 'utf8'), 'me:x:1:1::/:/bin/sh\n');
  assert.ok(!existsSync(`${cwd}/d/etc/old`));
  for (const name of ['a.sqfs: squashfs', 'c.tar: tar', 'd/: directory']) {
    assert.match(
      stderr,
      new RegExp(`^.*${name}, [\\d.]+ k?B, \\d+ inodes, in [\\d.]+ s, [\\d.]+ .?B/s$`, 'm'),
    );
  }
});

test('render: --quiet says nothing; --json is one object on standard output; --format wins over the name', async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  const quiet = await shale(['render', source, directory.file('a.tar'), '--quiet', '--format', 'squashfs']);
  assert.deepEqual([quiet.status, quiet.stdout.length, quiet.stderr], [0, 0, '']);
  assert.equal(readFileSync(directory.file('a.tar')).subarray(0, 4).toString(), 'hsqs');
  const json = await shale(['render', source, directory.file('b.tar'), '--json', '-q']);
  const result = JSON.parse(json.stdout.toString());
  assert.deepEqual([json.status, result.outputs.length, result.outputs[0].format], [0, 1, 'tar']);
  assert.equal(result.outputs[0].bytes, readFileSync(directory.file('b.tar')).length);
  assert.deepEqual([result.image.layers, typeof result.seconds], [3, 'number']);
});

test('render: flags of squashfs reach it, and leave a tar beside it alone', async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  const flags = [
    '--compression',
    'gzip',
    '--level',
    '1',
    '--block-size',
    '64K',
    '--no-fragments',
    '--mtime',
    '77',
  ];
  const { status, stderr } = await shale([
    'render',
    source,
    directory.file('a.sqfs'),
    directory.file('a.tar'),
    ...flags,
  ]);
  assert.equal(status, 0, stderr);
  const superblock = readFileSync(directory.file('a.sqfs')).subarray(0, 96);
  // Squashfs 4.0: mkfs_time at 8, block_size at 12, fragments at 16, compression id at 20.
  assert.deepEqual(
    [8, 12, 16].map(at => superblock.readUInt32LE(at)),
    [77, 65536, 0],
  );
  assert.equal(superblock.readUInt16LE(20), 1);
  const alone = await shale(['render', source, directory.file('b.tar'), '--level', '3']);
  assert.deepEqual([alone.status, existsSync(directory.file('b.tar'))], [3, false]);
  assert.match(alone.stderr, /level/);
});

test('a tar on standard output is a tar and nothing else', {
  skip: requires({ tools: ['tar'] }),
}, async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  for (const progress of ['auto', 'plain', 'json']) {
    const { status, stdout, stderr } = await shale(['render', source, '-', '--progress', progress]);
    assert.equal(status, 0, stderr);
    writeFileSync(directory.file('x.tar'), stdout);
    const listed = await run('tar', ['tf', directory.file('x.tar')]);
    assert.deepEqual([listed.status, listed.stderr], [0, '']);
    assert.match(listed.stdout.toString(), /^(\.\/)?etc\/passwd$/m);
    assert.notEqual(stderr, '');
  }
  const both = await shale(['render', source, '-', '--json']);
  assert.deepEqual([both.status, JSON.parse(both.stdout.toString()).error.code], [2, 'usage']);
});

test('each class of failure has its exit status, one message, a hint, no stack and no output', async () => {
  using directory = temporary();
  const good = await writeImage(directory.file('image'), sample());
  const rejected = await writeImage(directory.file('rejected'), [layer({ 'a/../b': 'x' })]);
  const bad = await writeImage(directory.file('corrupt'), sample());
  const blobs = directory.file('corrupt/blobs/sha256');
  for (const name of readdirSync(blobs)) {
    const bytes = readFileSync(`${blobs}/${name}`);
    if (bytes.includes('root:x:0'))
      writeFileSync(`${blobs}/${name}`, bytes.toString('latin1').replace('root:x:0', 'root:x:1'), 'latin1');
  }
  mkdirSync(directory.file('full'));
  writeFileSync(directory.file('full/x'), '');
  const out = directory.file('out.sqfs');
  const cases: [number, string, ...string[]][] = [
    [2, 'usage', good, out, '--nonsense'],
    [3, 'invalid', 'oci:', out],
    [3, 'invalid', rejected, out],
    [3, 'invalid', good, directory.file('out')],
    [3, 'invalid', good, out, '--level', '99'],
    [4, 'not-found', `oci:${directory.file('missing')}`, out],
    [4, 'not-found', good, directory.file('no/such/out.sqfs')],
    [4, 'not-found', good, out, '--platform', 'linux/riscv64'],
    [5, 'exists', good, `${directory.file('full')}/`],
    [8, 'corrupt', bad, out],
    [9, 'unsupported', 'docker-daemon:nginx:1.27', out],
    [10, 'exhausted', good, out, '--max-entries', '2'],
    [10, 'exhausted', good, out, '--max-size', '1K'],
  ];
  const before = readdirSync(directory.path).sort();
  await Promise.all(
    cases.map(async ([status, code, ...args]) => {
      const context = args.join(' ');
      const ended = await shale(['render', ...args, '--json', '--progress', 'none']);
      assert.equal(ended.status, status, `${context}: ${ended.stderr}`);
      const { error } = JSON.parse(ended.stdout.toString());
      assert.equal(error.code, code, context);
      assert.ok(ended.stderr.startsWith('shale: '), ended.stderr);
      assert.ok(ended.stderr.split('\n').length <= 3 && !/\n\s+at /.test(ended.stderr), ended.stderr);
    }),
  );
  assert.deepEqual(readdirSync(directory.path).sort(), before);
});

test('usage errors are one line that ends in where to read on; SHALE_DEBUG shows the stack of others', async () => {
  const { status, stdout, stderr } = await shale(['render', 'a', 'b.sqfs', '--compresion', 'xz']);
  assert.deepEqual([status, stdout.length], [2, 0]);
  assert.equal(
    stderr,
    'shale: there is no flag --compresion (did you mean --compression?); see shale render --help\n',
  );
  const debug = await shale(['render', 'oci:/no/such', 'b.sqfs'], { env: { SHALE_DEBUG: '1' } });
  assert.match(debug.stderr, /^\s+at .*\.ts:\d+/m);
});

test('an error that nobody foresaw is called a bug, without a stack', async () => {
  const failure = new URL('../../src/cli/failure.ts', import.meta.url);
  const script = `import { reportFailure } from ${JSON.stringify(failure)};
    process.exitCode = reportFailure(new TypeError('x is not y\x1b'), { json: true, jsonLines: false });`;
  const { status, stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script]);
  assert.deepEqual([status, JSON.parse(stdout.toString()).error.code], [1, 'internal']);
  assert.match(
    stderr,
    /^shale: internal error: x is not y\\x1b\n {2}this is a bug in Shale; please report .*\n$/,
  );
});

test('what an image says cannot steer the terminal, in messages neither', async () => {
  using directory = temporary();
  const evil = '\x1b]0;owned\x07\x9b31m\u202e\n';
  const source = await writeImage(
    directory.file('image'),
    [
      layer({
        [`${evil}/`]: {},
        [`${evil}/f`]: { xattrs: new Map([['user.overlay.x\x1b', Buffer.from('1')]]) },
      }),
    ],
    { config: { Env: [`A=${evil}`], Labels: { [evil]: evil } }, history: [{ created_by: evil }] },
  );
  const out = directory.file('x.tar');
  const rejected = await writeImage(directory.file('rejected'), [layer({ [`${evil}/../b`]: 'x' })]);
  for (const args of [
    ['inspect', source],
    ['inspect', source, '--layers', '--json'],
    ['why', source, evil],
    ['why', source, evil, '--json'],
    ['why', source, `no${evil}`],
    ['render', source, out],
    ['render', rejected, out],
    ['render', `oci:/nowhere${evil}`, out],
    ['render', evil, out, `--${evil}`],
    [evil],
  ]) {
    const { stdout, stderr } = await shale(args);
    const text = stdout.toString() + stderr;
    assert.notEqual(text, '');
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/, JSON.stringify(args));
  }
});

test('warnings are summarised with counts and examples, unless --quiet; under --strict they fail', async () => {
  using directory = temporary();
  const xattrs = new Map([['user.overlay.opaque', Buffer.from('y')]]);
  const items = Object.fromEntries(
    Array.from({ length: 9 }, (_, at) => [`f${at}`, { content: 'x', xattrs }]),
  );
  const source = await writeImage(directory.file('image'), [layer(items)]);
  const out = directory.file('x.tar');
  const loud = await shale(['render', source, out]);
  assert.match(loud.stderr, /^shale: 9 warnings \(overlay-xattr\), such as:\n( {2}.*f\d.*\n){3}/m);
  const quiet = await shale(['render', source, out, '-q']);
  assert.deepEqual([quiet.status, quiet.stderr], [0, '']);
  const strict = await shale(['render', source, out, '--strict', '--progress', 'none']);
  assert.equal(strict.status, 3);
});

test('a reader that goes away ends a tar on standard output quietly', async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), [
    layer({ big: { content: Buffer.alloc(8 << 20, 1) } }),
  ]);
  const child = spawn(process.execPath, [bin, 'render', source, '-', '-q'], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  child.stdout.once('data', () => child.stdout.destroy());
  const status = await new Promise(done => child.on('close', done));
  assert.deepEqual([status, stderr], [141, '']);
});

test('real images render, and verify', { skip: realImages() }, async () => {
  using directory = temporary();
  for (const [kind, name] of [
    ['docker-archive', 'test-docker-image'],
    ['oci-archive', 'test-oci-gzip-image'],
    ['oci-archive', 'test-oci-zstd-image'],
  ] as const) {
    const source = `${kind}:${real}/${name}.tar`;
    const out = directory.file(`${name}.sqfs`);
    const rendered = await shale(['render', source, out, '-q']);
    assert.deepEqual([rendered.status, rendered.stderr], [0, ''], name);
    const verified = await shale(['verify', source, out]);
    assert.deepEqual([verified.status, verified.stdout.length], [0, 0], verified.stderr);
  }
});

const real = new URL('../../../shared/images', import.meta.url).pathname;
function realImages(): string | false {
  return !existsSync(new URL('../../../shared/images', import.meta.url)) && 'no ../shared/images';
}
