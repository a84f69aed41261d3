/** What an installation is doing: `download` (by apt), `unpack`, `extract` (the kernel out of its image), `commit`. */
export interface KernelProgress {
  readonly step: 'download' | 'unpack' | 'extract' | 'commit';
  /** What is dealt with: a package, a file. */
  readonly what: string;
  /** Bytes dealt with; of `total`, where that is known. */
  readonly bytes: number;
  readonly total?: number | undefined;
}

export interface InstallProgress {
  readonly onProgress?: ((progress: KernelProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}
