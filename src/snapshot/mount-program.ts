import { type MountAttributes, mountFuse } from '../host/index.ts';
import type { Mount } from './mount.ts';

/** Mounts what a program of its own mounts, and no kernel does. */
export type MountProgram = (mount: Mount, target: string, attributes: MountAttributes) => Promise<void>;

/** By the type of a mount. */
export const mountPrograms: Readonly<Record<string, MountProgram>> = {
  'fuse3.fuse-overlayfs': async ({ options }, target, attributes) =>
    await mountFuse({ program: 'fuse-overlayfs', options, target }, attributes),
};
