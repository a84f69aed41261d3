import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import type { LayerLimits } from '../../layer/index.ts';
import type { Tree } from '../../tree/index.ts';
import type { OutputFormat } from '../output.ts';
import { readDirectoryArtifact } from './directory-artifact.ts';
import type { Pace } from './pace.ts';
import { readSquashfsArtifact } from './squashfs-artifact.ts';
import { readTarArtifact, type Stray } from './tar-artifact.ts';

/** A rendered artifact, read back whole. */
export interface Artifact {
  readonly tree: Tree<unknown>;
  /** The sha256 of each file's content, at 32 times its node's index; zeros for all that is no file. */
  readonly digests: Uint8Array;
  /** What stands in it and makes no entry. */
  readonly strays: readonly Stray[];
}

const magic = Buffer.from('hsqs');

/** A directory is one; a squashfs says so in its first bytes; everything else has to be a tar. */
export function detectFormat(path: string): OutputFormat {
  try {
    if (statSync(path).isDirectory()) return 'directory';
    const file = openSync(path, 'r');
    try {
      const start = Buffer.alloc(magic.length);
      readSync(file, start, 0, start.length, 0);
      return start.equals(magic) ? 'squashfs' : 'tar';
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  }
}

/** What is wrong with the artifact itself shows as the error of its format, with its path before it. */
export async function readArtifact(
  path: string,
  format: OutputFormat,
  options: { limits: LayerLimits; pace: Pace; signal: AbortSignal },
): Promise<Artifact> {
  try {
    switch (format) {
      case 'squashfs':
        return await readSquashfsArtifact(path, options.pace);
      case 'tar':
        return await readTarArtifact(path, options.pace, options.limits);
      case 'directory':
        return await readDirectoryArtifact(path, options.pace, options.signal);
    }
  } catch (error) {
    const failure = wrapErrno(error, `cannot read ${path}`);
    if (!(failure instanceof ShaleError) || failure.code === 'cancelled' || failure.message.includes(path)) {
      throw failure;
    }
    const { code, message, detail, hint } = failure;
    throw new ShaleError(code, `${path}: ${message}`, {
      cause: error,
      detail: { ...detail, artifact: path },
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
