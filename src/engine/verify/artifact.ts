import { statSync } from 'node:fs';
import { ShaleError, wrapErrno } from '../../error/index.ts';
import type { LayerLimits } from '../../layer/index.ts';
import type { Tree } from '../../tree/index.ts';
import { detectImage } from '../image-kind.ts';
import type { OutputFormat } from '../output.ts';
import { isStack } from '../stack/detect.ts';
import { readDirectoryArtifact } from './directory-artifact.ts';
import { readErofsArtifact } from './erofs-artifact.ts';
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

/** What can be compared with an image. */
export type ArtifactFormat = OutputFormat | 'stack';

/** A directory is one, or a stack; a filesystem says so by its magic number; everything else has to be a tar. */
export function detectFormat(path: string): ArtifactFormat {
  try {
    if (statSync(path).isDirectory()) return isStack(path) ? 'stack' : 'directory';
    return detectImage(path) ?? 'tar';
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
      case 'erofs':
        return await readErofsArtifact(path, options.pace);
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
