import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { layer, shale, temporary, writeImage } from './fixture.ts';

/** Slow enough to be interrupted in the middle: one thread of zstd 22 takes half a minute for it. */
const flags = ['--level', '22', '--jobs', '1', '--progress', 'json'];
const reading = (text: string) => /"event":"layer".*"read":[1-9]/.test(text);

let directory: ReturnType<typeof temporary>;
let source = '';
before(async () => {
  directory = temporary();
  source = await writeImage(directory.file('image'), [layer({ f: { content: randomBytes(48 << 20) } })]);
});
after(() => directory[Symbol.dispose]());

function outputs(name: string): { cwd: string; files: () => string[] } {
  const cwd = directory.file(name);
  mkdirSync(cwd);
  return { cwd, files: () => readdirSync(cwd) };
}

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} in the middle of a render leaves nothing behind`, async () => {
    const { cwd, files } = outputs(signal);
    let during: string[] = [];
    const ended = await shale(['render', source, 'a.sqfs', 'b/', 'c.tar', ...flags], {
      cwd,
      onStderr: (text, child) => {
        if (during.length > 0 || !reading(text)) return;
        during = files();
        child.kill(signal);
      },
    });
    assert.ok(during.length >= 3 && during.every(name => name.startsWith('.')), `${during}`);
    assert.deepEqual([ended.status, ended.signal], [expected, null], ended.stderr);
    assert.deepEqual(files(), []);
    assert.doesNotMatch(ended.stderr, /"event":"end"/);
    for (const line of ended.stderr.trim().split('\n')) JSON.parse(line);
  });
}

test('a second Ctrl-C ends at once, and still leaves nothing behind', async () => {
  const { cwd, files } = outputs('twice');
  let sent = false;
  const { status } = await shale(['render', source, 'a.sqfs', 'b/', ...flags], {
    cwd,
    onStderr: (text, child) => {
      if (sent || !reading(text)) return;
      sent = true;
      child.kill('SIGINT');
      setTimeout(() => child.kill('SIGINT'), 5);
    },
  });
  assert.deepEqual([status, files()], [130, []]);
});

test('an artifact that is there stays as it is when its successor is interrupted', async () => {
  const { cwd, files } = outputs('replace');
  const small = await writeImage(directory.file('small'), [layer({ f: 'x' })]);
  assert.equal((await shale(['render', small, 'a.sqfs', '-q'], { cwd })).status, 0);
  let sent = false;
  await shale(['render', source, 'a.sqfs', ...flags], {
    cwd,
    onStderr: (text, child) => {
      if (sent || !reading(text)) return;
      sent = true;
      child.kill('SIGINT');
    },
  });
  assert.deepEqual(files(), ['a.sqfs']);
  assert.equal((await shale(['verify', small, 'a.sqfs', '-q'], { cwd })).status, 0);
});

test('SIGKILL leaves only hidden files, and a later run does not trip over them', async () => {
  const { cwd, files } = outputs('SIGKILL');
  let sent = false;
  const { signal } = await shale(['render', source, 'a.sqfs', 'b/', ...flags], {
    cwd,
    onStderr: (text, child) => {
      if (sent || !reading(text)) return;
      sent = true;
      child.kill('SIGKILL');
    },
  });
  assert.equal(signal, 'SIGKILL');
  assert.ok(
    files().length > 0 && files().every(name => /^\.(a\.sqfs|b(\.staged)?)\.shale-/.test(name)),
    `${files()}`,
  );
  const small = await writeImage(directory.file('later'), [layer({ f: 'x' })]);
  const later = await shale(['render', small, 'a.sqfs', 'b/', '-q'], { cwd });
  assert.deepEqual([later.status, later.stderr], [0, '']);
  assert.deepEqual(
    files()
      .filter(name => !name.startsWith('.'))
      .sort(),
    ['a.sqfs', 'b'],
  );
});
