import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requires } from '../requirement.ts';
import { bin, layer, run, sample, shale, temporary, writeImage } from './fixture.ts';

const skip = requires({ tools: ['script', 'stty'] });

/** What a terminal of that size is sent on standard error and output. */
async function onTerminal(
  args: readonly string[],
  { columns = 80, rows = 24, env = {} }: { columns?: number; rows?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<{ status: number | null; text: string }> {
  const quoted = [process.execPath, bin, ...args].map(word => `'${word}'`).join(' ');
  const { status, stdout } = await run(
    'script',
    ['-qec', `stty cols ${columns} rows ${rows}; ${quoted}`, '/dev/null'],
    {
      env: { TERM: 'xterm', LANG: 'C.UTF-8', ...env },
    },
  );
  return { status, text: stdout.toString().replaceAll('\r\n', '\n') };
}

test('not on a terminal: a line for the start, each layer, the end; no control characters', async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  for (const extra of [[], ['--progress', 'plain']]) {
    const { stderr } = await shale(['render', source, directory.file('x.tar'), ...extra]);
    const lines = stderr.trimEnd().split('\n');
    assert.match(lines[0]!, /^reading 3 layers, [\d.]+ kB$/);
    // Newest first.
    assert.deepEqual(
      lines.slice(1, 4).map(line => /^layer (\d) [0-9a-f]{12} .*\((\d of 3)\)$/.exec(line)?.slice(1)),
      [
        ['2', '1 of 3'],
        ['1', '2 of 3'],
        ['0', '3 of 3'],
      ],
    );
    assert.equal(lines.length, 6);
    assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f]/);
  }
});

test('--progress json: every line of standard error is an object, errors and warnings included', async () => {
  using directory = temporary();
  const xattrs = new Map([['user.overlay.opaque', Buffer.from('y')]]);
  const source = await writeImage(directory.file('image'), [
    ...sample(),
    layer({ f: { content: 'x', xattrs } }),
  ]);
  const good = await shale(['render', source, directory.file('x.tar'), '--progress', 'json']);
  const events = good.stderr
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  assert.deepEqual(events[0].event, 'image');
  assert.equal(events[0].layers.length, 4);
  for (const layer of [0, 1, 2, 3]) {
    const last = events.findLast(event => event.event === 'layer' && event.layer === layer);
    assert.equal(last.read, last.size);
  }
  assert.deepEqual(
    events.map(({ event }) => event).filter(event => event !== 'layer'),
    ['image', 'finish', 'warning', 'end'],
  );
  const bad = await shale([
    'render',
    source,
    directory.file('y.tar'),
    '--progress',
    'json',
    '--max-entries',
    '2',
  ]);
  const { event, code } = JSON.parse(bad.stderr.trimEnd().split('\n').at(-1)!);
  assert.deepEqual([event, code], ['error', 'exhausted']);
});

test('--progress none leaves the summary, and --quiet nothing', async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  const none = await shale(['render', source, directory.file('x.tar'), '--progress', 'none']);
  assert.equal(none.stderr.split('\n').length, 2);
  const quiet = await shale(['render', source, directory.file('x.tar'), '-q', '--progress', 'bar']);
  assert.equal(quiet.stderr, '');
});

test('on a terminal: bars that are drawn in place and gone at the end, the cursor restored', {
  skip,
}, async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  const { status, text } = await onTerminal(['render', source, directory.file('x.tar')]);
  assert.equal(status, 0, text);
  assert.match(text, /█.*100%/);
  assert.match(text, /3 of 3 layers/);
  assert.ok(text.indexOf('\x1b[?25l') >= 0 && text.lastIndexOf('\x1b[?25h') > text.lastIndexOf('\x1b[?25l'));
  const screen = play(text);
  assert.match(screen.join('\n'), /^\S*x\.tar: tar, .*$/);
  const failed = await onTerminal(['render', source, directory.file('x.tar'), '--max-entries', '2']);
  assert.equal(failed.status, 10);
  assert.match(play(failed.text)[0]!, /^shale: /);
  assert.ok(failed.text.lastIndexOf('\x1b[?25h') > failed.text.lastIndexOf('\x1b[?25l'));
});

test('500 layers on a small terminal: every picture fits it', { skip }, async () => {
  using directory = temporary();
  const layers = Array.from({ length: 500 }, (_, at) => layer({ [`f${at}`]: String(at) }));
  const source = await writeImage(directory.file('image'), layers);
  for (const columns of [34, 120]) {
    const { status, text } = await onTerminal(['render', source, directory.file('x.tar')], {
      columns,
      rows: 8,
    });
    assert.equal(status, 0);
    const pictures = text.split(/\x1b\[J/);
    assert.ok(pictures.length > 2);
    for (const picture of pictures.slice(0, -1)) {
      const lines = plain(picture)
        .split('\n')
        .filter(line => line !== '');
      assert.ok(lines.length <= 7, picture);
      for (const line of lines) assert.ok([...line].length < columns, line);
    }
    assert.match(plain(text), /of 500 layers/);
  }
});

test('NO_COLOR, no UTF-8 and a dumb terminal are honoured', { skip }, async () => {
  using directory = temporary();
  const source = await writeImage(directory.file('image'), sample());
  const args = ['render', source, directory.file('x.tar')];
  const colors = /\x1b\[[\d;]*m/;
  assert.match((await onTerminal(args)).text, colors);
  const plainly = await onTerminal(args, { env: { NO_COLOR: '1', LANG: 'C' } });
  assert.doesNotMatch(plainly.text, colors);
  assert.match(plainly.text, /#+ +100%/);
  assert.doesNotMatch(plainly.text, /█/);
  const dumb = await onTerminal(args, { env: { TERM: 'dumb' } });
  assert.doesNotMatch(dumb.text, /\x1b/);
  assert.match(dumb.text, /^reading 3 layers/);
});

const plain = (text: string) => text.replace(/\x1b\[[?\d;]*[A-Za-z]/g, '').replaceAll('\r', '');

/** The lines that a terminal shows after all of that: enough of one for what progress sends. */
function play(text: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  for (const [token] of text.matchAll(/\x1b\[(\d+)A|\x1b\[J|\x1b\[[?\d;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+/g)) {
    const up = /^\x1b\[(\d+)A$/.exec(token)?.[1];
    if (up !== undefined) row -= Number(up);
    else if (token === '\x1b[J') lines.splice(row, lines.length, '');
    else if (token === '\n') lines[++row] ??= '';
    else if (!token.startsWith('\x1b') && token !== '\r') lines[row] = token;
    assert.ok(row >= 0, 'went above where it began');
  }
  return lines.filter(line => line !== '');
}
