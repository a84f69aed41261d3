import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { requires } from '../requirement.ts';

const index = new URL('../../src/host/index.ts', import.meta.url).href;
const program = `import { inUserNamespace } from ${JSON.stringify(index)}; console.log(inUserNamespace());`;
const script = [process.execPath, '--input-type=module', '-e', program] as const;

test('a user namespace is told from the first one', {
  skip: requires({ tools: ['unshare'], root: true }),
}, () => {
  const inside = (...words: readonly string[]) => {
    const [command, ...rest] = [...words, ...script];
    const { stdout, stderr } = spawnSync(command!, rest, { encoding: 'utf8' });
    return stdout.trim() || stderr;
  };
  assert.equal(inside(), 'false');
  assert.equal(inside('unshare', '--mount'), 'false');
  assert.equal(inside('unshare', '--user', '--map-root-user'), 'true');
});

test('so is one that maps every id to itself', {
  skip: requires({ tools: ['unshare'], root: true }),
}, async () => {
  // Whoever is outside writes the map, while the shell inside waits.
  const wait = 'echo; read line; exec "$@"';
  const child = spawn('unshare', ['--user', 'sh', '-c', wait, 'sh', ...script]);
  let output = '';
  for await (const chunk of child.stdout) {
    if (output === '') {
      for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, '0 0 4294967295');
      child.stdin.end('\n');
    }
    output += chunk;
  }
  assert.equal(output, '\ntrue\n');
});
