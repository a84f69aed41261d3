import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createFile } from './item.ts';
import { writeLayout } from './layout.ts';

/**
 * `node bench/startup.ts`: how much later than Node itself the command answers, from the sources and, where `npm run build`
 * has been run, from dist/ as it is installed. The bound is 80 ms over `node -e 0`.
 */
const project = path.join(import.meta.dirname, '..');
const bound = 80;
const rounds = 21;
const directory = mkdtempSync(path.join(os.tmpdir(), 'shale-startup-'));

try {
  const image = path.join(directory, 'image');
  mkdirSync(image);
  await writeLayout(image, [[createFile('hello', Buffer.from('hello\n'))]], { algorithm: 'gzip', level: 6 });
  const artifact = path.join(directory, 'image.sqfs');
  const bins = { src: path.join(project, 'bin', 'shale.js'), ...install() };
  run([bins.src, 'render', `oci:${image}`, artifact, '--quiet']);
  const commands: (readonly [string, readonly string[]])[] = [['node -e 0', ['-e', '0']]];
  for (const [name, bin] of Object.entries(bins)) {
    commands.push([`shale --help (${name})`, [bin, '--help']], [`shale ls (${name})`, [bin, 'ls', artifact]]);
  }
  const times = new Map(commands.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, args] of commands) {
      const time = run(args);
      // The first round fills the compile cache.
      if (round > 0) times.get(name)!.push(time);
    }
  }
  const medians = [...times].map(([name, all]) => [name, all.sort((a, b) => a - b)[rounds >> 1]!] as const);
  const bare = medians[0]![1];
  console.log(`${'median of'.padEnd(24)}${rounds} runs   over node`);
  for (const [name, time] of medians) {
    const over = time - bare;
    console.log(`${name.padEnd(24)}${time.toFixed(0).padStart(4)} ms   ${over.toFixed(0).padStart(6)} ms`);
    if (over > bound) process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function run(args: readonly string[]): number {
  const begin = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, XDG_CACHE_HOME: directory },
  });
  const time = performance.now() - begin;
  if (status !== 0) throw new Error(`status ${status} of: ${args.join(' ')}\n${stderr}`);
  return time;
}

/** The built package under a node_modules of its own, as npm would lay it. */
function install(): { readonly dist?: string } {
  if (!existsSync(path.join(project, 'dist'))) return {};
  const target = path.join(directory, 'node_modules', 'shale');
  for (const part of ['bin', 'dist', 'package.json']) {
    cpSync(path.join(project, part), path.join(target, part), { recursive: true });
  }
  symlinkSync(path.join(project, 'node_modules', 'koffi'), path.join(directory, 'node_modules', 'koffi'));
  return { dist: path.join(target, 'bin', 'shale.js') };
}
