import { fstatSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Warnings, wrapErrno } from '../../error/index.ts';
import { type AtomicFile, createTemporaryDirectory, syncParent } from '../../host/index.ts';
import type { Output } from '../../render/index.ts';
import {
  appendVerityTree,
  createVerityTree,
  fsverityDigest,
  measureFile,
  type Sealed,
  type VerityTree,
} from '../../verity/index.ts';
import { type IntegrityRequest, isImage, treeSuffix } from './request.ts';
import { sealFiles } from './seal.ts';

/** What vouches for an output; only what was asked for is there. */
export interface OutputHashes {
  /** Of its hash tree, 64 hex digits; without a tree, of the tree that it would have. Its salt is empty. */
  readonly rootHash?: string;
  /** How many blocks of 4096 bytes the root hash is for. */
  readonly dataBlocks?: number;
  /** Where its tree is: `path` itself, or beside it. */
  readonly hashFile?: string;
  /** Where in that file it begins, in bytes. */
  readonly hashOffset?: number;
  /** Of the whole file, an appended tree included: `sha256:…`. */
  readonly fsverity?: string;
  readonly sealed?: Sealed;
  /** Of the tree's file, if it has one of its own. */
  readonly hashFileSealed?: Sealed;
}

interface OpenTree extends VerityTree {
  /** Where the file that it is in belongs. */
  readonly place: string;
}

/**
 * Hash trees and seals of the outputs of one render. Trees are made while the outputs are complete and still invisible; without
 * `finish` nothing is left of them.
 *
 *     await using hashing = new OutputHashing(request, { jobs, signal, warnings });
 *     hashing.open(format, file);          // each output's, as it is begun
 *     await hashing.complete();            // all that are open are written; none is committed
 *     const results = await hashing.finish(outputs);      // all are committed
 */
export class OutputHashing implements AsyncDisposable {
  readonly #request: IntegrityRequest;
  readonly #options: HashingOptions;
  readonly #open: AtomicFile[] = [];
  readonly #trees = new Map<string, OpenTree>();
  readonly #directories = new DisposableStack();

  constructor(request: IntegrityRequest, options: HashingOptions) {
    this.#request = request;
    this.#options = options;
  }

  open(format: Output['format'], file: AtomicFile): void {
    const { hashTree = 'none' } = this.#request;
    if (hashTree !== 'none' && isImage(format)) this.#open.push(file);
  }

  async complete(): Promise<void> {
    for (const file of this.#open.splice(0)) {
      this.#trees.set(
        file.path,
        this.#request.hashTree === 'append' ? await this.#append(file) : await this.#create(file),
      );
    }
  }

  /** From here on nothing is stopped half-way. */
  async finish(outputs: readonly Output[]): Promise<readonly (Output & OutputHashes)[]> {
    for (const { place, path } of this.#trees.values()) {
      if (place === path) continue;
      try {
        renameSync(path, place);
        await syncParent(place);
      } catch (error) {
        throw wrapErrno(error, `cannot put a hash tree at ${place}`);
      }
    }
    const hashed: (Output & OutputHashes)[] = [];
    for (const output of outputs) hashed.push({ ...output, ...(await this.#describe(output)) });
    if (!this.#request.seal) return hashed;
    const sealed = await sealFiles(
      hashed.flatMap(({ path, fsverity, hashFile = path }) => [
        { path, fsverity },
        ...(hashFile === path ? [] : [{ path: hashFile }]),
      ]),
      this.#options,
    );
    const outcomes = new Map(sealed.map(({ path, ...outcome }) => [path, outcome]));
    return hashed.map(output => {
      const { path, hashFile = path } = output;
      return {
        ...{ ...output, sealed: outcomes.get(path)! },
        ...(hashFile !== path && { hashFileSealed: outcomes.get(hashFile)! }),
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#directories[Symbol.dispose]();
  }

  async #append(file: AtomicFile): Promise<OpenTree> {
    const { jobs, signal } = this.#options;
    const { fd, path } = file;
    const tree = await appendVerityTree({ data: { fd, path }, jobs, signal });
    // It was written past the file's own notion of its end.
    file.truncate(fstatSync(fd).size);
    return { ...tree, place: path };
  }

  async #create({ fd, path }: AtomicFile): Promise<OpenTree> {
    const { jobs, signal } = this.#options;
    const place = path + treeSuffix;
    const { path: directory } = this.#directories.use(createTemporaryDirectory(place));
    const tree = join(directory, basename(place));
    return { ...(await createVerityTree({ data: { fd, path }, tree, jobs, signal })), place };
  }

  async #describe({ path, format, bytes }: Output): Promise<OutputHashes> {
    const tree = this.#trees.get(path);
    if (tree !== undefined) {
      const { place: hashFile, rootHash, dataBlocks, hashOffset } = tree;
      const fsverity =
        hashFile === path ? (await measureFile(path, this.#jobs)).fsverity : fsverityDigest(rootHash, bytes);
      return { rootHash, dataBlocks, hashFile, hashOffset, fsverity };
    }
    if (!this.#request.seal || format === 'directory') return {};
    const { rootHash, dataBlocks, fsverity } = await measureFile(path, this.#jobs);
    return { ...(rootHash !== undefined && { rootHash, dataBlocks }), fsverity };
  }

  get #jobs(): { readonly jobs: number | undefined } {
    return { jobs: this.#options.jobs };
  }
}

export interface HashingOptions {
  readonly jobs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly warnings: Warnings;
}
