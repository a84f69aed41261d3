/**
 * The directory target: an image's tree as real files, and the way back, a directory as a tree.
 *
 * File data arrives before the tree is known, so files are staged flat under numbers, in a private directory on the
 * target's own filesystem; once the tree is known they are renamed into place, never copied. The tree is built in
 * another private directory beside the target and renamed over it, so that the target is whole or not there. Nothing
 * here resolves a path of the image: directories are entered by descriptor, one component at a time (`host/descent`), so
 * neither a symlink of the image nor one that somebody slips in leads out of it.
 *
 * Root gets everything exactly. Another user gets what the system permits, and is told once what is missing.
 */
export type { Content } from './assemble.ts';
export { type PathContent, readDirectory, readFileIn } from './reader.ts';
export { DirectoryTarget, type DirectoryTargetOptions } from './target.ts';
