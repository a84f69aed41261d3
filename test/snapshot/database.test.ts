import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SnapshotDatabase } from '../../src/snapshot/database.ts';
import { createScratch } from '../host/scratch.ts';

test('whoever makes the database just then is waited for', async () => {
  using scratch = createScratch();
  const path = scratch.at('metadata.db');
  // As far as another process is when it has the lock under which the file gets its mode.
  const other = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const database = new (require('node:sqlite').DatabaseSync)(workerData);
     database.exec('BEGIN IMMEDIATE');
     parentPort.postMessage('locked');
     setTimeout(() => database.close(), 300);`,
    { eval: true, workerData: path },
  );
  await once(other, 'message');
  using database = new SnapshotDatabase(path);
  assert.deepEqual({ ...database.first('PRAGMA journal_mode') }, { journal_mode: 'wal' });
  await other.terminate();
});
