import type { ByteString } from '../tree/index.ts';
import type { Directory } from './content.ts';

/** One change of the tree, told right after it was made. `entry` is the record that made it. */
export type MergeEvent =
  /** The name stands for an inode now. `implied`: a directory for which the layer has no entry. */
  | {
      readonly kind: 'bound';
      readonly entry: number;
      readonly directory: Directory;
      readonly name: ByteString;
      readonly implied: boolean;
    }
  /** A directory got new metadata and kept its children. */
  | { readonly kind: 'described'; readonly entry: number; readonly directory: Directory }
  | {
      readonly kind: 'deleted';
      readonly entry: number;
      readonly directory: Directory;
      readonly name: ByteString;
    }
  /** All children are gone. */
  | { readonly kind: 'emptied'; readonly entry: number; readonly directory: Directory };
