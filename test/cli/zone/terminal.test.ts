import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { requires } from '../../requirement.ts';
import { bin, cleanEnvironment } from '../fixture.ts';

/** Our terminal, while a command in a zone has it: a real one, with a stub for the machine. */
const preload = path.join(import.meta.dirname, 'preload.cjs');
const script = path.join(import.meta.dirname, 'on-terminal.py');
const skip = requires({ tools: ['python3'] });

type Step =
  | { readonly wait: string }
  | { readonly type: string }
  | { readonly resize: readonly [rows: number, columns: number] }
  | { readonly signal: number }
  | { readonly mode: string };

interface Mode {
  readonly echo: boolean;
  readonly lines: boolean;
  readonly signals: boolean;
  readonly output: boolean;
}

const raw: Mode = { echo: false, lines: false, signals: false, output: false };
const cooked: Mode = { echo: true, lines: true, signals: true, output: true };

/** Runs the command line on a terminal of 33 rows and 99 columns. */
async function onTerminal(
  line: string,
  steps: readonly Step[],
): Promise<{ status: number; text: string; modes: Record<string, Mode> }> {
  const args = [script, process.execPath, '-r', preload, bin, ...line.split(' ')];
  const child = spawn('python3', args, { env: cleanEnvironment({ TERM: 'xterm' }), timeout: 60_000 });
  child.stdin.end(JSON.stringify(steps));
  let [out, errors] = ['', ''];
  child.stdout.on('data', chunk => {
    out += chunk;
  });
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const code = await new Promise(done => child.on('close', done));
  assert.equal(code, 0, errors);
  const { status, text, modes } = JSON.parse(out) as {
    status: number;
    text: string;
    modes: Record<string, [boolean, boolean, boolean, boolean]>;
  };
  const named = Object.entries(modes).map(([name, [echo, lines, signals, output]]) => [
    name,
    { echo, lines, signals, output },
  ]);
  return { status, text: Buffer.from(text, 'hex').toString(), modes: Object.fromEntries(named) };
}

const key = (text: string): Step => ({ type: Buffer.from(text).toString('hex') });
const started: Step = { wait: 'size 33x99' };

test('keys go in as bytes, Ctrl-C among them; the terminal is raw meanwhile and as it was afterwards', {
  skip,
}, async () => {
  const { status, text, modes } = await onTerminal('run -it keys', [
    { mode: 'before' },
    started,
    { mode: 'during' },
    key('\x03\x1a\r'),
    { wait: '<031a0d>' },
    key('\x04'),
  ]);
  assert.deepEqual([status, modes.before, modes.during, modes.end], [3, cooked, raw, cooked], text);
  // A newline comes out as it was written: the guest's own terminal has made of it what it wanted.
  assert.match(text, /size 33x99\n<031a0d>\n<04>\n$/);
});

test('the size of the window follows ours', { skip }, async () => {
  const { status, text } = await onTerminal('run -it keys', [
    started,
    { resize: [50, 120] },
    { wait: 'size 50x120' },
    key('\x04'),
  ]);
  assert.equal(status, 3, text);
});

test('Ctrl-P Ctrl-Q lets go of the zone, which goes on', { skip }, async () => {
  const { status, text, modes } = await onTerminal('run -it keys', [
    started,
    key('a\x10'),
    { wait: '<61>' },
    key('\x10b'),
    { wait: '<101062>' },
    key('\x10\x11'),
  ]);
  assert.deepEqual([status, modes.end], [0, cooked], text);
  assert.match(text, /zone calm-stone goes on; shale zone attach calm-stone takes it up again\r\n$/);
});

test('a command of exec cannot be let go of: the keys are its own', { skip }, async () => {
  const { status, text } = await onTerminal('zone exec -it keys sh', [
    started,
    key('\x10\x11'),
    { wait: '<1011>' },
    key('\x04'),
  ]);
  assert.equal(status, 3, text);
});

test('attach takes the streams as the zone has them', { skip }, async () => {
  const { status, text, modes } = await onTerminal('zone attach keys', [
    started,
    { mode: 'during' },
    key('\x10\x11'),
  ]);
  assert.deepEqual([status, modes.during, modes.end], [0, raw, cooked], text);
  assert.match(text, /zone keys goes on\r\n$/);
});

test('the terminal is as it was after an error, a signal and the end of the zone', { skip }, async () => {
  const dead = await onTerminal('run -it dies', [{ wait: 'ready' }]);
  assert.deepEqual([dead.status, dead.modes.end], [11, cooked], dead.text);
  assert.match(dead.text, /shale: the machine is gone\\x1b\[2J\r\n$/);
  const terminated = await onTerminal('run -it keys', [started, { signal: constants.signals.SIGTERM }]);
  assert.deepEqual([terminated.status, terminated.modes.end], [143, cooked], terminated.text);
});

test('a Shale that was stopped finds its mode again when it goes on', { skip }, async () => {
  const { status, modes, text } = await onTerminal('run -it keys', [
    started,
    { signal: constants.signals.SIGCONT },
    key('a'),
    { wait: '<61>' },
    { mode: 'again' },
    key('\x04'),
  ]);
  assert.deepEqual([status, modes.again, modes.end], [3, raw, cooked], text);
});

test('before the command runs Ctrl-C is what it is to any program', { skip }, async () => {
  const { status, text, modes } = await onTerminal('run -it boot', [
    { wait: 'booting' },
    { mode: 'during' },
    key('\x03'),
  ]);
  assert.deepEqual([status, modes.during, modes.end], [130, cooked, cooked], text);
});

test('with -t alone Ctrl-C is a signal, for nobody reads the keys', { skip }, async () => {
  const { status, text } = await onTerminal('run -t wait', [
    { wait: 'waiting' },
    key('\x03'),
    { wait: 'SIGINT\r\n' },
    { signal: constants.signals.SIGTERM },
  ]);
  assert.equal(status, 143, text);
});
