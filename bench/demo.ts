import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { writeDemoImage } from './demo-image.ts';

/**
 * `npm run demo`: an image of several hundred megabytes out of what is on this machine, rendered and verified with the
 * commands that a user would type. Needs nothing but Node. `--keep` leaves image and results in place.
 */
const command = path.join(import.meta.dirname, '..', 'bin', 'shale.js');
const directory = mkdtempSync(path.join(os.tmpdir(), 'shale-demo-'));
process.on('exit', () => {
  if (!process.argv.includes('--keep')) rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function shale(...args: string[]): number {
  console.log(`\n$ shale ${args.join(' ')}`);
  const begin = performance.now();
  const { status, error } = spawnSync(process.execPath, [command, ...args], {
    cwd: directory,
    stdio: 'inherit',
  });
  if (status !== 0) {
    console.log(`failed: ${error?.message ?? `status ${status}`}`);
    process.exit(1);
  }
  return (performance.now() - begin) / 1000;
}

console.log(`Building an image of this machine in ${directory}`);
const begin = performance.now();
mkdirSync(path.join(directory, 'image'));
const image = await writeDemoImage(path.join(directory, 'image'));
console.log(
  `${image.layers} layers, ${image.entries} entries, ${megabytes(image.bytes)} in ${megabytes(image.blobBytes)} of gzip; ` +
    `took ${((performance.now() - begin) / 1000).toFixed(1)} s`,
);

shale('inspect', 'oci:image', '--layers');
const artifacts = ['image.sqfs', 'image.tar'];
const rows = artifacts.map(artifact => {
  const rendered = shale('render', 'oci:image', artifact);
  const verified = shale('verify', 'oci:image', artifact);
  return { artifact, rendered, verified, bytes: statSync(path.join(directory, artifact)).size };
});
shale('why', 'oci:image', '/app/node');

console.log('\nartifact          size      render      verify');
for (const { artifact, bytes, rendered, verified } of rows) {
  const rate = `${(image.bytes / 1e6 / rendered).toFixed(0)} MB/s of layers`;
  console.log(
    [artifact.padEnd(12), megabytes(bytes).padStart(10), `${rendered.toFixed(2)} s`.padStart(11)].join('') +
      `${verified.toFixed(2)} s`.padStart(12) +
      `   ${rate}`,
  );
}
