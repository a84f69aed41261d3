import { createHash } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { isErrno } from '../error/index.ts';
import {
  canSyncFilesystem,
  removeTree,
  syncFile,
  syncFilesystem,
  throwIfAborted,
  writeAll,
} from '../host/index.ts';
import { type Digest, parseDigest } from '../oci/index.ts';
import { wantsSignatures } from './configuration.ts';
import { collect, decompressAll } from './decompress.ts';
import { KernelError } from './error.ts';
import { extractImage, type ImageFacts, imageKind, inspectVmlinux, mostImageBytes } from './image.ts';
import { ModuleDraft } from './module-draft.ts';
import { moduleFile, mostModuleBytes } from './modules.ts';
import type { InstallProgress } from './progress.ts';
import { type KernelOrigin, type KernelRecord, recordName } from './record.ts';

type Bytes = AsyncIterable<Uint8Array>;

const mostListBytes = 64 * 1024 * 1024;
const mostModules = 50_000;
const mostModulesBytes = 8 * 1024 ** 3;

/** Lists that are read of a directory of modules; what else depmod writes follows from the modules. */
const listFile = /^modules\.(order|builtin|builtin\.modinfo|alias|softdep)$/;
const safeName = /^[A-Za-z0-9+,=@_~-][A-Za-z0-9+,.=@_~-]*$/;

/**
 * A kernel that is put together in a directory of its own, whatever it comes from. `take` gets each file of a root
 * filesystem, in any order; `finish` makes of them what is kept:
 *
 *     kernel.json   vmlinux   bzImage (if it came as one)   modules/…/NAME.ko.zst, modules/modules.builtin, …
 *
 * Modules are compressed one by one: a zone needs ten of a thousand, and the others take a fourth of the room.
 */
export class KernelDraft {
  readonly #directory: string;
  readonly #options: InstallProgress;
  #digest: Digest | undefined;
  readonly #signed = new Map<string, boolean>();
  readonly #trees = new Map<string, ModuleDraft>();
  #moduleBytes = 0;

  constructor(directory: string, options: InstallProgress) {
    this.#directory = directory;
    this.#options = options;
  }

  /** A file of a root filesystem, by its path without a slash in front; what is no part of a kernel is passed over. */
  async take(path: string, body: () => Bytes): Promise<void> {
    throwIfAborted(this.#options.signal);
    const [, kind, release] = /^boot\/(vmlinuz|vmlinux|config)-([^/]+)$/.exec(path) ?? [];
    if (kind === 'config') return this.takeConfig(release!, body());
    if (kind !== undefined) return this.takeImage(body());
    const [, of, below] = /^(?:usr\/)?lib\/modules\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (of !== undefined) await this.takeModule(of, below!, body);
  }

  /** The kernel itself: a bzImage or an ELF file. */
  async takeImage(body: Bytes): Promise<void> {
    if (this.#digest !== undefined) {
      throw new KernelError('invalid', 'there is more than one kernel in it', {
        hint: 'give a package, or a directory with what is in a single one',
      });
    }
    this.#digest = await this.#write('image', body, mostImageBytes);
  }

  /** How a release was configured; may be compressed. */
  async takeConfig(release: string, body: Bytes): Promise<void> {
    this.#signed.set(release, await wantsSignatures(body));
  }

  /** A file of a release's directory of modules, by its path in there. */
  async takeModule(release: string, path: string, body: () => Bytes): Promise<void> {
    throwIfAborted(this.#options.signal);
    const isModule = moduleFile.test(path.slice(path.lastIndexOf('/') + 1));
    if (!isModule && !listFile.test(path)) return;
    if (![release, ...path.split('/')].every(name => safeName.test(name))) {
      throw new KernelError('corrupt', `${JSON.stringify(path)} is no path of a module`);
    }
    const tree = this.#trees.get(release) ?? new ModuleDraft();
    this.#trees.set(release, tree);
    if (!isModule) {
      const bytes = await collect(body(), mostListBytes, path);
      tree.addList(path, bytes);
      await this.#write(join('trees', release, path), bytes);
      return;
    }
    const bytes = decompressAll(await collect(body(), mostModuleBytes, path), mostModuleBytes, path);
    this.#moduleBytes += bytes.length;
    if (tree.count === mostModules || this.#moduleBytes > mostModulesBytes) {
      throw new KernelError('exhausted', 'there are too many modules in it');
    }
    tree.addModule(path, bytes);
    const name = path.replace(/\.ko(\.[a-z]+)?$/, '.ko.zst');
    await this.#write(join('trees', release, name), zstdCompressSync(bytes));
  }

  /** Completes the directory, and makes it durable; the name is used if the source gave none. */
  async finish(source: KernelOrigin, nameOf: (release: string) => string): Promise<KernelRecord> {
    if (this.#digest === undefined) {
      throw new KernelError('invalid', `there is no kernel in ${source.from}`, {
        hint: 'it is boot/vmlinuz-RELEASE in a package or a directory, kernel/image in an OCI image',
      });
    }
    const facts = this.#extract();
    const tree = await this.#keepModules(facts.release);
    const size = (name: string) => statSync(join(this.#directory, name), { throwIfNoEntry: false })?.size;
    const record: KernelRecord = {
      format: 1,
      name: nameOf(facts.release),
      release: facts.release,
      architecture: facts.architecture,
      digest: this.#digest,
      vmlinux: size('vmlinux'),
      bzImage: size('bzImage'),
      pvh: facts.pvh,
      modules: tree.digest(),
      moduleCount: tree.count,
      signed: this.#signed.get(facts.release) ?? [...this.#signed.values()][0] ?? true,
      source,
      installed: Date.now(),
    };
    await this.#write(recordName, Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`));
    this.#options.onProgress?.({ step: 'commit', what: record.name, bytes: 0 });
    await syncTree(this.#directory);
    return record;
  }

  #extract(): ImageFacts {
    const image = join(this.#directory, 'image');
    const vmlinux = join(this.#directory, 'vmlinux');
    if (imageKind(image) === 'vmlinux') renameSync(image, vmlinux);
    else {
      const fd = openSync(vmlinux, 'wx', 0o600);
      try {
        extractImage(image, fd, this.#options);
      } finally {
        closeSync(fd);
      }
      renameSync(image, join(this.#directory, 'bzImage'));
      chmodSync(join(this.#directory, 'bzImage'), 0o644);
    }
    // Hypervisors read it as users of their own, through a descriptor: one that they may not read is copied for each zone.
    chmodSync(vmlinux, 0o644);
    return inspectVmlinux(vmlinux);
  }

  async #keepModules(release: string): Promise<ModuleDraft> {
    const only = this.#trees.size === 1 ? [...this.#trees.keys()][0] : undefined;
    const kept = this.#trees.has(release) ? release : only;
    const tree = kept === undefined ? undefined : this.#trees.get(kept);
    const modules = join(this.#directory, 'modules');
    if (tree === undefined) mkdirSync(modules, { mode: 0o700 });
    else renameSync(join(this.#directory, 'trees', kept!), modules);
    removeTree(join(this.#directory, 'trees'));
    if (tree === undefined) return new ModuleDraft();
    if (!tree.hasAliases) await this.#write(join('modules', 'modules.alias'), Buffer.from(tree.aliases()));
    return tree;
  }

  async #write(name: string, content: Bytes | Uint8Array, most = Number.POSITIVE_INFINITY): Promise<Digest> {
    const path = join(this.#directory, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = this.#create(path, name);
    const sum = createHash('sha256');
    try {
      let position = 0;
      for await (const chunk of content instanceof Uint8Array ? [content] : content) {
        throwIfAborted(this.#options.signal);
        if (position + chunk.length > most)
          throw new KernelError('exhausted', `${name} has more than ${most} bytes`);
        writeAll(fd, chunk, position);
        sum.update(chunk);
        position += chunk.length;
      }
    } finally {
      closeSync(fd);
    }
    return parseDigest(`sha256:${sum.digest('hex')}`);
  }

  #create(path: string, name: string): number {
    try {
      return openSync(path, 'wx', 0o600);
    } catch (error) {
      if (isErrno(error, 'EEXIST'))
        throw new KernelError('corrupt', `${name} is in it twice`, { cause: error });
      throw error;
    }
  }
}

/** All files and directories below; the name of the directory itself is its parent's business. */
async function syncTree(directory: string): Promise<void> {
  const fd = openSync(directory, 'r');
  try {
    if (canSyncFilesystem()) return await syncFilesystem(fd);
    for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
      const below = openSync(join(entry.parentPath, entry.name), 'r');
      try {
        await syncFile(below);
      } finally {
        closeSync(below);
      }
    }
    await syncFile(fd);
  } finally {
    closeSync(fd);
  }
}
