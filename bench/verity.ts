/**
 * How fast hash trees are made and compared, beside `veritysetup`: `node tool/start.cjs bench/verity.ts [MIB]`. The data is in the
 * page cache. Ours runs in this process, theirs as a program; a fourth of the rounds warms up. Floors: what sha256 alone takes for
 * the same blocks, one call each, and createHash for comparison.
 */
import { execFileSync } from 'node:child_process';
import { createCipheriv, createHash, hash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createVerityTree, verifyVerityTree } from '../src/verity/index.ts';
import { isInstalled } from './measure.ts';

const mebibytes = Number(process.argv[2] ?? 512);
const bytes = mebibytes * 1024 * 1024;
const rounds = 8;
const salt = Buffer.alloc(32, 7);
const saltHex = salt.toString('hex');

async function middle(name: string, run: () => unknown): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    await run();
    if (round >= rounds / 4) times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const milliseconds = times[Math.floor((times.length - 1) / 2)]!;
  const rate = bytes / 1000 / milliseconds;
  console.log(
    `${name.padEnd(36)} ${milliseconds.toFixed(0).padStart(6)} ms ${rate.toFixed(0).padStart(6)} MB/s`,
  );
}

const directory = mkdtempSync(path.join(os.tmpdir(), 'shale-verity-'));
try {
  const [data, tree] = [path.join(directory, 'data'), path.join(directory, 'tree')];
  const file = openSync(data, 'w');
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  for (let mebibyte = 0; mebibyte < mebibytes; mebibyte++)
    writeSync(file, cipher.update(Buffer.alloc(1 << 20)));
  closeSync(file);
  console.log(`${mebibytes} MiB of noise, ${os.availableParallelism()} processors, Node ${process.version}`);

  const input = cipher.update(Buffer.alloc(32 + 256 * 4096));
  const views = Array.from({ length: 256 }, (_, index) =>
    input.subarray(index * 4096, 32 + (index + 1) * 4096),
  );
  const each = (digest: (view: Buffer) => void) => () => {
    for (let block = 0; block < bytes / 4096; block++) digest(views[block % 256]!);
  };
  await middle(
    'floor: crypto.hash, one thread',
    each(view => hash('sha256', view, 'binary')),
  );
  await middle(
    'floor: createHash, one thread',
    each(view => createHash('sha256').update(view).digest()),
  );

  const make = async (jobs: number) => {
    rmSync(tree, { force: true });
    return await createVerityTree({ data, tree, salt, jobs });
  };
  let rootHash = '';
  for (const jobs of new Set([1, os.availableParallelism()])) {
    await middle(`shale, ${jobs} thread(s): create`, async () => {
      ({ rootHash } = await make(jobs));
    });
    await middle(`shale, ${jobs} thread(s): verify`, () => verifyVerityTree({ data, tree, rootHash, jobs }));
  }
  if (isInstalled('veritysetup')) {
    const theirs = path.join(directory, 'theirs');
    const run = (...words: string[]) => execFileSync('veritysetup', words, { encoding: 'utf8' });
    await middle('veritysetup format', () => {
      rmSync(theirs, { force: true });
      const report = run('format', data, theirs, `--salt=${saltHex}`);
      if (!report.includes(rootHash)) throw new Error('veritysetup has another root hash');
    });
    await middle('veritysetup verify', () => run('verify', data, theirs, rootHash));
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
