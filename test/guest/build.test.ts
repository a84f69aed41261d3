import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { requires } from '../requirement.ts';

const sources = path.join(import.meta.dirname, '../../guest');
const committed = path.join(sources, 'init-x86_64');
const skip = process.arch === 'x64' ? requires({ tools: ['musl-gcc'] }) : 'builds for x86_64 only';

/** What `guest/build` writes beside the binary: which tools made it, and what came out. */
function readRecord(file: string): Map<string, string> {
  const lines = readFileSync(`${file}.txt`, 'utf8').trim().split('\n');
  return new Map(lines.map(line => line.split(': ', 2) as [string, string]));
}

function build(context: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'shale-guest-'));
  context.after(() => rmSync(directory, { recursive: true }));
  cpSync(sources, directory, { recursive: true });
  const output = path.join(directory, 'out/init');
  const { status, stdout, stderr } = spawnSync(path.join(directory, 'build'), [output], { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return output;
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

test('the committed init is the one that its record tells of, static and small', () => {
  const binary = readFileSync(committed);
  assert.equal(sha256(committed), readRecord(committed).get('sha256'));
  assert.ok(binary.length < 81_920, `${binary.length} bytes`);
  const headers = Array.from({ length: binary.readUInt16LE(56) }, (_, at) =>
    binary.readUInt32LE(Number(binary.readBigUInt64LE(32)) + at * binary.readUInt16LE(54)),
  );
  assert.ok(!headers.includes(3), 'it wants an interpreter: it is not static');
});

test('the committed init is what its sources make, whatever the directory', { skip }, t => {
  const output = build(t);
  const [ours, theirs] = [readRecord(output), readRecord(committed)];
  const differing = ['compiler', 'linker', 'library'].filter(name => ours.get(name) !== theirs.get(name));
  if (differing.length > 0)
    return t.skip(differing.map(name => `${name} ${ours.get(name)}, not ${theirs.get(name)}`).join('; '));
  assert.equal(sha256(output), sha256(committed), 'run guest/build and commit the binary');
});
