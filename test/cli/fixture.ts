import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mediaTypes } from '../../src/oci/index.ts';
import { endOfArchive, formatHeader, padding, type TarEntry } from '../../src/tar/index.ts';
import { byteString, noXattrs } from '../../src/tree/index.ts';
import { Files, sha256 } from '../archive/fixture.ts';

export const bin = path.join(import.meta.dirname, '..', '..', 'bin', 'shale.js');

/** A directory that goes away with its scope. */
export function temporary(): Disposable & { readonly path: string; file(name: string): string } {
  const created = mkdtempSync(path.join(tmpdir(), 'shale-cli-'));
  return {
    path: created,
    file: name => path.join(created, name),
    [Symbol.dispose]: () => rmSync(created, { recursive: true, force: true }),
  };
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Called with all of standard error so far, whenever there is more. */
  readonly onStderr?: (text: string, child: ChildProcess) => void;
}

/** Without what the caller's shell may have set. */
export function cleanEnvironment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, XDG_CACHE_HOME } = process.env;
  return { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...(XDG_CACHE_HOME && { XDG_CACHE_HOME }), ...env };
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: cleanEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    // One that hangs fails its test, instead of all that come after.
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    options.onStderr?.(stderr, child);
  });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout: Buffer.concat(stdout), stderr }));
  });
}

/** Runs the command line as a user does. */
export const shale = (args: readonly string[], options?: RunOptions): Promise<Ended> =>
  run(process.execPath, [bin, ...args], options);

type Item = Partial<Omit<TarEntry, 'path'>> & { readonly content?: Uint8Array | string };

/** A layer's tar; keys are paths as text, a trailing slash makes a directory. */
export function layer(items: Readonly<Record<string, Item | string>>): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, given] of Object.entries(items)) {
    const { content = '', ...fields } = typeof given === 'string' ? { content: given } : given;
    const bytes = Buffer.from(content);
    const entry: TarEntry = {
      ...{ type: name.endsWith('/') ? 'directory' : 'file', linkpath: '', size: bytes.length },
      ...{ mode: 0o755, uid: 0, gid: 0, mtime: { seconds: 1_700_000_000, nanoseconds: 0 } },
      ...{ major: 0, minor: 0, xattrs: noXattrs },
      ...fields,
      path: byteString(name.replace(/\/$/, '')),
    };
    parts.push(formatHeader(entry), bytes, padding(bytes.length));
  }
  return Buffer.concat([...parts, endOfArchive]);
}

/** Writes a layout with one image, tagged `latest`, of uncompressed layers; its source. */
export async function writeImage(
  directory: string,
  layers: readonly Buffer[],
  config: object = {},
): Promise<string> {
  const files = new Files();
  const blobs = layers.map(tar => files.blob(mediaTypes.layer, tar));
  const rootfs = { type: 'layers', diff_ids: layers.map(tar => `sha256:${sha256(tar)}`) };
  const created = '2024-05-01T12:00:00Z';
  const history = layers.map((_, index) => ({ created_by: `step ${index}` }));
  const configured = files.blob(mediaTypes.config, {
    ...{ os: 'linux', architecture: 'amd64', created, rootfs, history },
    ...config,
  });
  const manifest = files.blob(mediaTypes.manifest, { schemaVersion: 2, config: configured, layers: blobs });
  files.layout({
    ...manifest,
    platform: { os: 'linux', architecture: 'amd64' },
    annotations: { 'org.opencontainers.image.ref.name': 'latest' },
  });
  await files.writeDirectory(directory);
  return `oci:${directory}`;
}

/** Three layers: files, one replaced, one deleted, and a name that would steer a terminal. */
export const sample = (): Buffer[] => [
  layer({
    'etc/': {},
    'etc/passwd': 'root:x:0:0::/:/bin/sh\n',
    'etc/old': 'old\n',
    'bin/': {},
    'bin/sh': { content: '#!\n', mode: 0o4755, uid: 7, gid: 8 },
    'bin/link': { type: 'symlink', linkpath: 'sh' },
  }),
  layer({ 'etc/passwd': 'me:x:1:1::/:/bin/sh\n', 'etc/.wh.old': '' }),
  layer({ 'evil\x1b[31m\nname': 'evil\n' }),
];
