import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { runProgram } from '../../src/host/program.ts';
import { createScratch } from './scratch.ts';

const sh = (script: string, options?: Parameters<typeof runProgram>[2]) =>
  runProgram('sh', ['-c', script], options);
const code = (wanted: string) => (error: unknown) => (error as { code?: string }).code === wanted;

test('input goes in, both outputs and the status come out', async () => {
  const result = await sh('tr a-z A-Z; echo oops >&2; exit 3', { input: 'shout' });
  assert.equal(result.stdout.toString(), 'SHOUT');
  assert.equal(result.stderr.toString(), 'oops\n');
  assert.equal(result.status, 3);
  assert.equal(result.killedBy, undefined);
});

test('arguments arrive as they are: there is no shell', async () => {
  const odd = ['$(echo no)', '; touch x', 'two words', "'", '*'];
  const result = await runProgram('printf', ['%s\n', ...odd]);
  assert.equal(result.stdout.toString(), `${odd.join('\n')}\n`);
});

test('a program that reads nothing of a large input ends well', async () => {
  const result = await sh('exec true', { input: Buffer.alloc(1 << 20) });
  assert.equal(result.status, 0);
});

test('one that was killed says by what', async () => {
  const result = await sh('kill -TERM $$');
  assert.equal(result.killedBy, 'SIGTERM');
  assert.equal(result.status, undefined);
});

test('missing and forbidden programs are told apart', async () => {
  using scratch = createScratch();
  await assert.rejects(runProgram('shale-no-such-program', []), code('not-found'));
  writeFileSync(scratch.at('plain'), 'no program');
  chmodSync(scratch.at('plain'), 0o644);
  await assert.rejects(runProgram(scratch.at('plain'), []), code('denied'));
});

test('too long, too much and cancelled: the program is killed and the error is typed', async () => {
  using scratch = createScratch();
  const late = `sleep 1; touch ${scratch.at('late')}`;
  await assert.rejects(sh(late, { timeout: 100 }), code('unavailable'));
  await assert.rejects(sh('cat /dev/zero', { outputLimit: 1000 }), code('exhausted'));
  await assert.rejects(sh('cat /dev/zero >&2', { outputLimit: 1000 }), code('exhausted'));
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 100);
  await assert.rejects(sh(late, { signal: abort.signal }), code('cancelled'));
  await assert.rejects(sh('true', { signal: AbortSignal.abort() }), code('cancelled'));
  // The outputs may be exactly as long as the limit.
  const result = await sh('printf 12345', { outputLimit: 5 });
  assert.equal(result.stdout.toString(), '12345');
  await new Promise(resolve => setTimeout(resolve, 1200));
  await assert.rejects(runProgram('cat', [scratch.at('late')]).then(({ status }) => assert.equal(status, 0)));
});

test('a child that is left behind with our pipes does not hold the result up', async () => {
  const started = performance.now();
  const result = await sh('sleep 20 & echo done');
  assert.equal(result.stdout.toString(), 'done\n');
  assert.ok(performance.now() - started < 5000);
});
