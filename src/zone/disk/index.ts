/**
 * The disks of a zone besides its image. All of them are files, which the host makes and never mounts:
 *
 *     scratch     what a zone writes, if not into memory: an ext4 that dies with it
 *     journal     its last output and its end, which outlive it
 *     volumes     named disks of the cache, which outlive every zone
 *     FILE        an ext4, squashfs or EROFS of the user's
 *     DIRECTORY   a read-only image made of it when the zone starts
 *
 * `parseVolume` reads what the user says, `attachVolume` makes it a locked disk. A disk that may be written to
 * belongs to one zone at a time; the lock goes with the descriptor, so a hypervisor that inherits it keeps the disk
 * when Shale is gone.
 */

export { leastDisk, mostDisk } from '../../host/index.ts';
export { type AttachedVolume, type AttachOptions, attachVolume } from './attach.ts';
export { type DirectoryImageOptions, renderDirectory } from './directory-image.ts';
export { DiskError } from './error.ts';
export {
  createJournal,
  type JournalRecord,
  type JournalReport,
  type JournalState,
  journalSize,
  readJournal,
} from './journal.ts';
export { lockDisk } from './lock.ts';
export { type DiskImage, type FilesystemType, recogniseDisk } from './recognise.ts';
export { createScratch } from './scratch.ts';
export { isVolumeName, parseVolume, type Volume, type VolumeSource } from './volume.ts';
export { type StoredVolume, Volumes, volumeSize } from './volumes.ts';
