import { closeSync, constants, lstatSync, openSync, statfsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { HostError } from './error.ts';
import { ioctl } from './ioctl.ts';

/** linux/btrfs.h: requests of a directory, which make and remove subvolumes in it. All structures take a page. */
const type = '\x94';
const argumentBytes = 4096;
/** Where the name stands: after the fd, and in version 2 after transaction, flags and four words, too. */
const nameAt = { one: 8, two: 56 } as const;
const nameMost = 255;
const readOnlyFlag = 2n;
/** A subvolume's root directory has this number, and nothing else does. */
const rootInode = 256n;
const magic = 0x9123683en;

/** Whether a path is on btrfs. Throws as `fs` does. */
export function isBtrfs(path: string): boolean {
  return BigInt.asUintN(32, statfsSync(path, { bigint: true }).type) === magic;
}

/** Whether a path is a subvolume; false where there is nothing. */
export function isSubvolume(path: string): boolean {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.ino === rootInode && isBtrfs(path);
}

/** Makes an empty subvolume. Throws as `fs` does. */
export function createSubvolume(path: string): void {
  withParent(path, (directory, name) => {
    ioctl(directory, { way: 'write', type, number: 14, size: argumentBytes }, volume(name, nameAt.one));
  });
}

/** Makes a subvolume with all that is in another one, which shares all contents. Throws as `fs` does. */
export function snapshotSubvolume(source: string, path: string): void {
  const from = openSync(source, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    withParent(path, (directory, name) => {
      const argument = volume(name, nameAt.two);
      argument.writeBigInt64LE(BigInt(from), 0);
      ioctl(directory, { way: 'write', type, number: 23, size: argumentBytes }, argument);
    });
  } finally {
    closeSync(from);
  }
}

/** Removes a subvolume with all that is in it; subvolumes in it are the caller's to remove before. Throws as `fs` does. */
export function removeSubvolume(path: string): void {
  withParent(path, (directory, name) => {
    ioctl(directory, { way: 'write', type, number: 15, size: argumentBytes }, volume(name, nameAt.one));
  });
}

/** From here on nothing in a subvolume can be changed, or `writable`, again it can. Throws as `fs` does. */
export function freezeSubvolume(path: string, { writable = false } = {}): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const flags = Buffer.alloc(8);
    flags.writeBigUInt64LE(writable ? 0n : readOnlyFlag);
    ioctl(fd, { way: 'write', type, number: 26, size: 8 }, flags);
  } finally {
    closeSync(fd);
  }
}

function volume(name: string, at: number): Buffer {
  const bytes = Buffer.from(name);
  if (bytes.length > nameMost) throw new HostError('invalid', `${name} is too long a name for a subvolume`);
  const argument = Buffer.alloc(argumentBytes);
  bytes.copy(argument, at);
  return argument;
}

function withParent(path: string, work: (directory: number, name: string) => void): void {
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    work(directory, basename(path));
  } finally {
    closeSync(directory);
  }
}
