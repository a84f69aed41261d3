/**
 * What vouches for an output on the disk that it lies on: its hash tree, for dm-verity, and the filesystem's own means, fs-verity and
 * the immutable flag. Trees are made before anything is visible; files are sealed when all are in their places.
 */
export { type HashingOptions, type OutputHashes, OutputHashing } from './outputs.ts';
export {
  checkIntegrity,
  type HashTreePlace,
  hashTreePlaces,
  type IntegrityRequest,
  wantsIntegrity,
} from './request.ts';
export { refuseSealed, type SealedFile, sealFiles } from './seal.ts';
export { type HashedFile, hashFiles } from './stack-files.ts';
