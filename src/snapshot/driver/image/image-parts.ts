import type { DriverName } from '../driver.ts';
import type { ImageMounts } from './image-mounts.ts';
import type { LayerPlaces } from './layer-places.ts';
import type { LowerDirectories } from './lower-directories.ts';
import type { SealWish } from './seal-layer.ts';
import type { UpperDirectories } from './upper-directory.ts';

/** What an `ImageDriver` is put together from. */
export interface ImageParts {
  readonly name: DriverName;
  readonly places: LayerPlaces;
  readonly mounts: ImageMounts;
  readonly uppers: UpperDirectories;
  /** How layers are shown in mounts. */
  readonly lowers: LowerDirectories;
  /** The same where only layers are made or read, and `lowers` would cost more than it gains. */
  readonly plainLowers: LowerDirectories;
  /** Each layer as it is, with its whiteouts; `unsupported` where the kernel cannot show it. */
  readonly layers: LowerDirectories;
  readonly seal: SealWish;
}
