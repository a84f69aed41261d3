/**
 * The one door to the operating system. What Node cannot do is done here through libc (xattrs, device nodes, exact
 * times, syncfs), loaded when it is first needed and done without where it cannot be had; what must be done with
 * care is done once: files that appear whole or not at all, walks that no symlink leads astray, clean-up that also
 * runs when the process is told to stop. Paths from an image are ByteStrings, paths from a person are text.
 *
 * Small calls throw as Node's `fs` does, with an errno in `code`: only their caller can say what was being done
 * (`wrapErrno`). Handles throw HostErrors.
 */
export {
  type AtomicFile,
  type AtomicFileOptions,
  createAtomicFile,
  missingParent,
} from './atomic-file.ts';
export { findBoot } from './boot.ts';
export {
  createSubvolume,
  freezeSubvolume,
  isBtrfs,
  isSubvolume,
  removeSubvolume,
  snapshotSubvolume,
} from './btrfs.ts';
export { fitsClassicMount, mountClassic } from './classic-mount.ts';
export { type Daemon, type DaemonEnd, type DaemonOptions, spawnDaemon } from './daemon.ts';
export { findDataRoot } from './data-root.ts';
export { Descent, isThere } from './descent.ts';
export {
  findSourceDateEpoch,
  findVariable,
  hostPlatform,
  inheritedEnvironment,
  isRoot,
  parallelism,
  temporaryRoot,
  umask,
} from './environment.ts';
export { HostError, systemError, throwIfAborted } from './error.ts';
export { checkDiskSize, createExt4, createSparse, type Ext4Options, leastDisk, mostDisk } from './ext4.ts';
export { countOwnBytes } from './extents.ts';
export { createFifos } from './fifo.ts';
export { accessFile } from './file-access.ts';
export { findFilesystemName } from './filesystem-name.ts';
export { findProgram } from './find-program.ts';
export { enableFsverity, measureFsverity } from './fs-verity.ts';
export { type FuseMount, findFuseObstacle, mountFuse } from './fuse.ts';
export { handOver } from './hand-over.ts';
export { ImageFile } from './image-file.ts';
export { descriptorPath } from './inheritance.ts';
export { isImmutable, setImmutable } from './inode-flags.ts';
export { hasLibc, pathBytes } from './libc.ts';
export {
  type ExistingLock,
  type FileLock,
  isLocked,
  type LockMode,
  lockDescriptor,
  tryLock,
  tryLockExisting,
} from './lock.ts';
export { attachLoop, detachLoop, findLoops, type LoopDevice, type LoopOptions } from './loop.ts';
export { Losses, type LossKind } from './losses.ts';
export { type FileMetadata, type FileOwner, Metadata, shown } from './metadata.ts';
export {
  type Filesystem,
  type MountParameter,
  mountBind,
  mountFilesystem,
  openFilesystem,
} from './mount.ts';
export type { MountAttributes } from './mount-attributes.ts';
export {
  type MountNamespace,
  openMountNamespace,
  type ShellOptions,
  type ShellResult,
} from './mount-namespace.ts';
export { findMount, listMounts, listMountsIn, type MountPoint } from './mount-point.ts';
export {
  endNamespace,
  enteringWords,
  findNamespace,
  isInside,
  type Namespace,
  openNamespace,
} from './namespace.ts';
export { callInNamespace } from './namespace-call.ts';
export { findNamespaceObstacle, type Obstacle } from './namespace-obstacle.ts';
export { makeNode, mostMajor, mostMinor, type SpecialType, splitDevice } from './node.ts';
export {
  identifyProcess,
  isRunning,
  type ProcessIdentity,
  signalGroup,
  signalProcess,
} from './process.ts';
export { findTimestampFrequency } from './processor.ts';
export { type ProgramOptions, type ProgramResult, runProgram } from './program.ts';
export { readNames, removeEntry, removeTree } from './remove.ts';
export { exchangeNames } from './rename.ts';
export { replaceFile, syncDirectoryNow } from './replace-file.ts';
export { giveReserve, isDiskFull, setAsideReserve } from './reserve.ts';
export { findRuntimeRoot } from './runtime-root.ts';
export { openScratch, type Scratch } from './scratch.ts';
export { findWatchdogInterval, notifyServiceManager, takeListeners } from './service-manager.ts';
export { copyContents } from './sparse-copy.ts';
export { createSpecialFile, type SpecialFile } from './special-file.ts';
export { isSqlite, openDatabaseFile } from './sqlite.ts';
export { type Row, SqliteConnection } from './sqlite-connection.ts';
export { Staging } from './staging.ts';
export {
  adviseSubordinateIds,
  findSubordinateIds,
  type IdRange,
  parseSubordinateIds,
  proposeRange,
  type SubordinateIds,
} from './subordinate-ids.ts';
export {
  canSyncFilesystem,
  startWriteback,
  syncDirectory,
  syncFile,
  syncFilesystem,
  syncParent,
} from './sync.ts';
export { createTemporaryDirectory, type TemporaryDirectory, withTemporaryName } from './temporary.ts';
export { readClock, readModified, setModified, timestamp } from './time.ts';
export { registerUnfinished, removeUnfinished } from './unfinished.ts';
export { connectUnixSocket, listenUnixSocket } from './unix-socket.ts';
export { unmount } from './unmount.ts';
export { inUserNamespace } from './user-namespace.ts';
export { waitForLock } from './wait-for-lock.ts';
export { writeAll, writePieces } from './write.ts';
export { readXattr, readXattrs, removeXattr, setXattr } from './xattr.ts';
