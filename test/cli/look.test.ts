import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, cleanEnvironment, layer, sample, shale, temporary, writeImage } from './fixture.ts';

let directory: ReturnType<typeof temporary>;
let source = '';
let artifact = '';
const json = async (...args: string[]) => {
  const { status, stdout, stderr } = await shale([...args, '--json']);
  return { status, stderr, value: JSON.parse(stdout.toString()) };
};

before(async () => {
  directory = temporary();
  source = await writeImage(directory.file('image'), sample(), {
    config: { Env: ['PATH=/bin', 'A=b'], Cmd: ['/bin/sh', '-c', 'true'], WorkingDir: '/etc', Tty: false },
  });
  artifact = directory.file('root.sqfs');
  const { status, stderr } = await shale(['render', source, artifact, '-q']);
  assert.equal(status, 0, stderr);
});
after(() => directory[Symbol.dispose]());

test('inspect: facts and settings for people, all of it as JSON', async () => {
  const { stdout, stderr } = await shale(['inspect', source]);
  const text = stdout.toString();
  assert.equal(stderr, '');
  for (const line of [
    /^platform +linux\/amd64$/m,
    /^created +2024-05-01T12:00:00Z$/m,
    /^Env +PATH=\/bin\n +A=b$/m,
  ]) {
    assert.match(text, line);
  }
  assert.match(text, /^Cmd +\["\/bin\/sh","-c","true"\]$/m);
  assert.doesNotMatch(text, /Tty/);
  assert.match(text, /^ +2 .*step 2$/m);
  const { value } = await json('inspect', source, '--layers');
  assert.deepEqual(value.config.Cmd, ['/bin/sh', '-c', 'true']);
  const contents = value.layers.map(({ content }: { content: Record<string, number> }) => content);
  // Layer 1 replaces the 22 bytes of etc/passwd and deletes the 4 of etc/old.
  assert.deepEqual(
    contents.map(({ hiddenBytes }: { hiddenBytes: number }) => hiddenBytes),
    [26, 0, 0],
  );
  assert.deepEqual(
    contents.map(({ whiteouts }: { whiteouts: number }) => whiteouts),
    [0, 1, 0],
  );
  const layers = (await shale(['inspect', source, '--layers'])).stdout.toString();
  assert.match(layers, /^layer +size +kind +unpacked +entries +whiteouts +hidden +digest +created by$/m);
  assert.match(layers, /^ +0 .* 6 +0 +26 B .*step 0$/m);
});

test('why: who supplied, changed and deleted a path', async () => {
  const passwd = (await shale(['why', source, '/etc/passwd'])).stdout.toString();
  assert.match(
    passwd,
    /^\/etc\/passwd\n {2}layer 0 .* added it .*\n {4}made by: step 0\n {4}hidden by layer 1\n {2}layer 1 .* replaced it /,
  );
  assert.match(passwd, /^in the result: file -rwxr-xr-x 0:0, 20 B, 2023-11-14 22:13:20 UTC$/m);
  const old = await json('why', source, 'etc//old');
  assert.deepEqual(
    old.value.steps.map(({ layer, action, by }: Record<string, unknown>) => [layer, action, by]),
    [
      [0, 'added', 'entry'],
      [1, 'deleted', 'whiteout'],
    ],
  );
  assert.deepEqual([old.value.path, old.value.final], ['/etc/old', undefined]);
  const sh = await json('why', source, 'bin/sh');
  assert.deepEqual([sh.value.final.mode, sh.value.final.uid, sh.value.final.gid], ['4755', 7, 8]);
  const never = await json('why', source, 'nowhere');
  assert.deepEqual([never.status, never.value.error.code], [4, 'not-found']);
});

test('verify: the same is 0, a difference is 8 and is printed, each on a line of its own', async () => {
  const same = await shale(['verify', source, artifact]);
  assert.deepEqual([same.status, same.stdout.length], [0, 0]);
  assert.match(same.stderr, /root\.sqfs: squashfs is the image; \d+ inodes/);
  const other = await writeImage(directory.file('other'), [
    ...sample(),
    layer({ 'etc/passwd': 'you:x:1:1::/:/bin/s\n', 'bin/more': 'x' }),
  ]);
  const differs = await shale(['verify', other, artifact, '-q']);
  assert.deepEqual([differs.status, differs.stderr], [8, '']);
  const lines = differs.stdout.toString().trimEnd().split('\n');
  assert.ok(
    lines.some(line => /^content +\/etc\/passwd +image sha256:.*, artifact sha256:/.test(line)),
    `${lines}`,
  );
  assert.ok(
    lines.some(line => /^missing +\/bin\/more/.test(line)),
    `${lines}`,
  );
  const { status, value } = await json('verify', other, artifact);
  assert.deepEqual([status, value.same, value.differenceCount], [8, false, value.differences.length]);
  assert.equal((await json('verify', source, artifact)).value.same, true);
  writeFileSync(directory.file('damaged.sqfs'), readFileSync(artifact).subarray(0, 200));
  const damaged = await shale(['verify', source, directory.file('damaged.sqfs'), '-q']);
  assert.ok([3, 8].includes(damaged.status!), damaged.stderr);
  assert.ok(damaged.stderr.startsWith('shale: '));
});

test('ls: names, --long, --recursive, raw bytes and JSON; of an image the same as of its artifact', async () => {
  const lines = async (...args: string[]) =>
    (await shale(['ls', ...args])).stdout.toString().trimEnd().split('\n');
  assert.deepEqual(await lines(artifact), ['bin', 'etc', 'evil\\x1b[31m\\x0aname']);
  assert.deepEqual(await lines(artifact, 'etc'), ['etc/passwd']);
  const all = ['bin', 'bin/link', 'bin/sh', 'etc', 'etc/passwd', 'evil\x1b[31m\nname'];
  const raw = (await shale(['ls', artifact, '-R0'])).stdout.toString();
  assert.deepEqual(raw.split('\0'), [...all, '']);
  const long = await lines(artifact, '/bin', '-l');
  assert.match(long[0]!, /^lrwxr-xr-x +1 +0 +0 +2023-11-14 22:13:20 +bin\/link -> sh$/);
  assert.match(long[1]!, /^-rwsr-xr-x +1 +7 +8 +3 +2023-11-14 22:13:20 +bin\/sh$/);
  const { value } = await json('ls', artifact, '--recursive');
  assert.deepEqual(
    value.entries.map(({ path }: { path: string }) => path),
    all,
  );
  assert.deepEqual((await json('ls', source, '--recursive')).value, value);
  mkdirSync(directory.file('empty'));
  assert.deepEqual((await json('ls', directory.file('empty'))).value, { entries: [] });
  assert.equal((await json('ls', artifact, 'nope')).value.error.code, 'not-found');
  assert.equal((await shale(['ls', artifact, '-l', '--json'])).status, 2);
});

test('names that are not UTF-8 are kept in JSON and printed harmlessly', async () => {
  const tar = layer({ 'caf\u00e9': 'x' });
  // The name in Latin-1, and the header's checksum with it: é is C3 A9 in UTF-8.
  const at = tar.indexOf(Buffer.from([0xc3, 0xa9]));
  tar.set([0xe9, 0], at);
  const sum = tar
    .subarray(0, 512)
    .reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const latin = await writeImage(directory.file('latin'), [tar]);
  const { value } = await json('ls', latin);
  assert.equal(Buffer.from(value.entries[0].pathBase64, 'base64').toString('latin1'), 'caf\u00e9');
  assert.equal((await shale(['ls', latin])).stdout.toString(), 'caf\\xe9\n');
  assert.deepEqual([...(await shale(['ls', latin, '-0'])).stdout], [0x63, 0x61, 0x66, 0xe9, 0]);
});

test('cat: contents alone, of several files, symlinks followed', async () => {
  for (const place of [artifact, source]) {
    const { status, stdout, stderr } = await shale(['cat', place, 'etc/passwd', '/bin/link']);
    assert.deepEqual([status, stdout.toString(), stderr], [0, 'me:x:1:1::/:/bin/sh\n#!\n', '']);
  }
  assert.equal((await shale(['cat', artifact, 'etc'])).status, 3);
  assert.equal((await shale(['cat', artifact, 'nope'])).status, 4);
});

test('a reader that goes away ends a listing quietly', async () => {
  const items = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, at) => [`some-name-${at}`, { content: '' }]),
  );
  const many = directory.file('many.tar');
  writeFileSync(many, layer(items));
  const child = spawn(process.execPath, [bin, 'ls', many], {
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

test('a stack: listed, printed, verified with its image and by itself', async () => {
  const stack = directory.file('stack');
  assert.equal((await shale(['render', source, stack, '--layers', '--no-cache', '-q'])).status, 0);
  assert.deepEqual((await shale(['ls', stack, '-R'])).stdout, (await shale(['ls', artifact, '-R'])).stdout);
  assert.deepEqual(
    (await shale(['cat', stack, '/etc/passwd'])).stdout,
    (await shale(['cat', artifact, '/etc/passwd'])).stdout,
  );
  const whole = await shale(['verify', source, stack]);
  assert.equal(whole.status, 0);
  assert.match(whole.stderr, /stack: stack is the image; .* in \d+ files? of/);
  const alone = await json('verify', stack);
  assert.equal(alone.status, 0);
  assert.deepEqual([alone.value.same, alone.value.format, alone.value.differences], [true, 'stack', []]);
  assert.match(
    (await shale(['verify', stack])).stderr,
    /stack: stack is what its stack\.json says; \d+ files? with/,
  );
  const head = path.join(stack, 'head.erofs');
  const bytes = readFileSync(head);
  rmSync(head);
  writeFileSync(head, Buffer.concat([bytes, bytes]));
  for (const words of [[stack], [source, stack]]) {
    const { status, stdout, stderr } = await shale(['verify', ...words]);
    assert.equal(status, 8);
    const [line] = stdout.toString().split('\n');
    assert.match(
      line!,
      new RegExp(`^files +size +head\\.erofs +stack\\.json ${bytes.length}, file ${bytes.length * 2}$`),
    );
    assert.match(stderr, /differs from .*: 1 difference/);
  }
  assert.equal((await json('verify', source, stack)).value.differences[0].part, 'files');
  rmSync(path.join(stack, 'stack.json'));
  assert.equal((await shale(['verify', stack])).status, 2);
});
