import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError, Warnings } from '../../../error/index.ts';
import { removeTree } from '../../../host/index.ts';
import { noXattrs, validateTree } from '../../../tree/index.ts';
import { scratchPrefix } from '../../mounting.ts';
import type { Support } from '../driver.ts';
import { probeOverlay } from '../probe-overlay.ts';
import { type Backing, type ImageMount, ImageMounts } from './image-mounts.ts';
import { create } from './tar-layer.ts';
import { writeLayer } from './write-layer.ts';

/**
 * Whether this machine mounts images of a kind, made by `write`, in `root`, and overlays on them. Leaves nothing.
 */
export async function probeImage(
  root: string,
  type: ImageMount['type'],
  backing: Backing,
  write: (path: string) => Promise<void>,
): Promise<Support> {
  const overlay = await probeOverlay(root);
  if (!overlay.usable) return overlay;
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const scratch = mkdtempSync(join(root, `${scratchPrefix}probe-`));
  const mounts = new ImageMounts(scratch, backing);
  try {
    const [image, target] = [join(scratch, 'image'), join(scratch, 'mounted')];
    await write(image);
    await mounts.ensure([{ type, image, target }]);
    return { usable: true };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const hint = error instanceof ShaleError ? error.hint : undefined;
    return {
      usable: false,
      reason: error.message,
      hint: hint ?? `load the kernel's module: modprobe ${type}; modprobe loop`,
    };
  } finally {
    await mounts.clear(scratch);
    removeTree(scratch);
  }
}

/** A layer of nothing. */
export async function writeEmptyLayer(path: string): Promise<void> {
  const mtime = { seconds: 0, nanoseconds: 0 };
  const root = {
    type: 'directory',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime,
    xattrs: noXattrs,
    children: new Map(),
  } as const;
  create(path);
  await writeLayer(path, { tree: validateTree<never>(root) }, { warnings: new Warnings() });
}
