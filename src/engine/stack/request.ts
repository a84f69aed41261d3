/** What an image is turned into where each layer is a file of its own. */
export interface StackRequest {
  /** For OverlayFS: a filesystem for each layer, and the head that belongs above them. True if `merged` is not asked for. */
  readonly overlay?: boolean | undefined;
  /** One filesystem of metadata alone, over the layers' files as its devices. */
  readonly merged?: boolean | undefined;
  /** Layers stay the tars that they are; what is made are indexes that point into them. */
  readonly tarIndex?: boolean | undefined;
}

/** A request with nothing left open. */
export interface StackForm {
  readonly overlay: boolean;
  readonly merged: boolean;
  readonly tarIndex: boolean;
}

export function completeForm({ overlay, merged = false, tarIndex = false }: StackRequest): StackForm {
  return { overlay: overlay ?? !merged, merged, tarIndex };
}
