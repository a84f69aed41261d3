/** A file that an image is read from; synchronous. */
export interface ImageSource {
  /** In bytes; may be more than the image uses. */
  readonly size: number;
  /** Fills `target` from `position`. Is never asked for bytes beyond `size`. */
  readAt(position: number, target: Uint8Array): void;
}

/** An image that is in memory. */
export function bytesSource(bytes: Uint8Array): ImageSource {
  return {
    size: bytes.length,
    readAt: (position, target) => target.set(bytes.subarray(position, position + target.length)),
  };
}
