import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/oci/index.ts';
import {
  mergeEnvironment,
  parseSignal,
  processOf,
  signalName,
  stopSignalOf,
  writeExec,
} from '../../src/zone/index.ts';

function config(execution: object) {
  const document = {
    architecture: 'amd64',
    os: 'linux',
    config: execution,
    rootfs: { type: 'layers', diff_ids: [] },
  };
  return parseConfig(Buffer.from(JSON.stringify(document)));
}

const image = config({
  Entrypoint: ['/entry', 'a'],
  Cmd: ['b'],
  Env: ['PATH=/bin', 'A=1'],
  WorkingDir: '/srv',
  User: 'app:staff',
  StopSignal: 'SIGQUIT',
});

test('entrypoint and command of the image, replaced as docker run does', () => {
  const words = (wishes: Parameters<typeof processOf>[1]) => processOf(image, wishes).arguments;
  assert.deepEqual(words({}), ['/entry', 'a', 'b']);
  assert.deepEqual(words({ command: [] }), ['/entry', 'a', 'b']);
  assert.deepEqual(words({ command: ['c', 'd'] }), ['/entry', 'a', 'c', 'd']);
  assert.deepEqual(words({ entrypoint: '/other' }), ['/other']);
  assert.deepEqual(words({ entrypoint: '/other', command: ['c'] }), ['/other', 'c']);
  assert.deepEqual(words({ entrypoint: '', command: ['c'] }), ['c']);
});

test('an image without a command needs one', () => {
  assert.throws(() => processOf(config({}), {}), { code: 'invalid', message: /names no command/ });
  assert.throws(() => processOf(image, { entrypoint: '' }), { code: 'invalid' });
});

test("user, directory and environment are the image's unless said otherwise", () => {
  const { user, directory, environment } = processOf(image, {});
  assert.deepEqual([user, directory, environment], ['app:staff', '/srv', ['PATH=/bin', 'A=1']]);
  const other = processOf(image, { user: '7', directory: '/x', environment: ['A=2', 'B=', 'PATH'] });
  assert.deepEqual([other.user, other.directory, other.environment], ['7', '/x', ['A=2', 'B=']]);
  assert.throws(() => processOf(image, { directory: 'relative' }), { code: 'invalid' });
});

test('a variable has a name', () => {
  assert.throws(() => mergeEnvironment([], ['=x']), { code: 'invalid' });
  assert.deepEqual(mergeEnvironment(['A=1', 'A=2'], []), ['A=2']);
});

test('signals by name and number', () => {
  const cases: [string, number][] = [
    ['SIGTERM', 15],
    ['term', 15],
    ['9', 9],
    ['SIGRTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['SIGWINCH', 28],
  ];
  for (const [text, number] of cases) assert.equal(parseSignal(text), number, text);
  for (const text of ['', '0', '65', 'SIGNOPE', 'SIGRTMIN+40', 'RTMAX+1', 'constructor', '-9']) {
    assert.throws(() => parseSignal(text), { code: 'invalid' }, text);
  }
  assert.equal(signalName(15), 'SIGTERM');
  assert.equal(stopSignalOf(image), 'SIGQUIT');
  assert.equal(stopSignalOf(config({})), 'SIGTERM');
});

test('arguments longer than a process can have are refused here, and NULs too', () => {
  const spec = { environment: [], directory: '/', user: '', stdin: false };
  assert.throws(() => writeExec({ ...spec, arguments: ['x'.repeat(3 * 1024 * 1024)] }), {
    code: 'exhausted',
  });
  assert.throws(() => writeExec({ ...spec, arguments: ['a\0b'] }), { code: 'invalid' });
});
