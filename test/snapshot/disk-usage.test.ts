import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { measureUsage } from '../../src/snapshot/driver/disk-usage.ts';
import { createScratch } from '../host/scratch.ts';

test('usage can be measured while somebody makes and removes what is there', async () => {
  using scratch = createScratch();
  const script = `const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
    for (let first = true; ; first = false) {
      for (let count = 0; count < 50; count += 1) {
        mkdirSync(count + '/in', { recursive: true });
        writeFileSync(count + '/in/file', 'x');
      }
      if (first) process.stdout.write('begun');
      for (let count = 0; count < 50; count += 1) rmSync(String(count), { recursive: true });
    }`;
  const child = spawn(process.execPath, ['-e', script], {
    cwd: scratch.path,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    for (const end = Date.now() + 1500; Date.now() < end; ) assert.ok(measureUsage(scratch.path).inodes >= 1);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
