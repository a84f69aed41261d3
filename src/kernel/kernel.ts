import type { Digest } from '../oci/index.ts';

/** A kernel that a zone can be booted with. */
export interface Kernel {
  /** Its name in the cache (`linux-image-6.1.0-56-cloud-amd64`), or the path of its file. */
  readonly name: string;
  /** As `uname -r` says it. */
  readonly release: string;
  /** Of the file that it came as. */
  readonly digest: Digest;
  /** Path of the uncompressed ELF file. */
  readonly vmlinux: string | undefined;
  /** Path of the compressed image that a boot loader would take. */
  readonly bzImage: string | undefined;
  /** Whether `vmlinux` can be started the PVH way: QEMU's `-kernel` takes no other uncompressed one. */
  readonly pvh: boolean;
  readonly modules: KernelModules;
}

export interface KernelModule {
  /** As the kernel has it, with `_` for `-`. */
  readonly name: string;
  /** The module itself, uncompressed. */
  readonly bytes: Uint8Array;
}

/** A kernel's modules. Whatever is wrong with one is a KernelError. */
export interface KernelModules {
  /** Another text means that other modules may be there. */
  readonly identity: string;
  /** Whether its configuration wants modules signed, or may: then signatures are to be kept. */
  readonly signed: boolean;
  /** Where a module is; `undefined` if this kernel has none of that name. */
  find(name: string): 'file' | 'builtin' | undefined;
  /**
   * The modules of these names with all that they need, each after what it needs; what is built in is left out. One that is not
   * there: KernelError `unsupported`, which names it.
   */
  resolve(names: readonly string[]): Promise<readonly KernelModule[]>;
}
