/** A file that is written anywhere and read back; synchronous, for callers that own their thread's time. */
export interface RandomAccess {
  /** Writes all chunks one behind the other from `position` (bytes). */
  writeAt(position: number, chunks: readonly Uint8Array[]): void;
  /** Fills `target` from `position`; fewer bytes there than asked for is an error. */
  readAt(position: number, target: Uint8Array): void;
}
