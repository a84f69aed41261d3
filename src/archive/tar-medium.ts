import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { BlobLocation } from '../content/index.ts';
import { wrapErrno } from '../error/index.ts';
import { byteString } from '../tree/index.ts';
import { ArchiveError } from './error.ts';
import type { Medium } from './medium.ts';
import { type Member, MemberScan, normalizeName } from './scan.ts';

/** Symlinks on the way to a member, as the kernel counts them. */
const linkLimit = 40;

/**
 * The members of a tar file, found by its headers alone: what lies between them is skipped, not read, so that an
 * archive of many gigabytes opens at once. Holds no file open.
 */
export class TarMedium implements Medium {
  readonly path: string;
  readonly #members: ReadonlyMap<string, Member>;

  private constructor(path: string, members: ReadonlyMap<string, Member>) {
    this.path = path;
    this.#members = members;
  }

  /** ArchiveError: `unsupported` if the file is compressed, `invalid` if it is no tar, `corrupt` if it is cut. */
  static async open(path: string, signal?: AbortSignal): Promise<TarMedium> {
    const full = resolve(path);
    let file: FileHandle;
    try {
      file = await open(full, 'r');
    } catch (error) {
      throw wrapErrno(error, `cannot open ${path}`);
    }
    try {
      return new TarMedium(full, await new MemberScan(file, path, (await file.stat()).size).run(signal));
    } catch (error) {
      throw wrapErrno(error, `cannot read ${path}`);
    } finally {
      await file.close();
    }
  }

  async find(name: string): Promise<BlobLocation | undefined> {
    let key = normalizeName(byteString(name));
    for (let links = 0; key !== undefined; links++) {
      const member = this.#members.get(key);
      if (member === undefined) return undefined;
      if (member.kind === 'file') return { path: this.path, offset: member.offset, size: member.size };
      if (member.kind === 'other') {
        const code = member.what === 'a sparse file' ? 'unsupported' : 'invalid';
        throw new ArchiveError(code, `${this.path}: ${name} is ${member.what}, not a regular file`);
      }
      if (links === linkLimit)
        throw new ArchiveError('invalid', `${this.path}: ${name} is a loop of symlinks`);
      const parent: string = key.slice(0, key.lastIndexOf('/') + 1);
      key = normalizeName(member.target.startsWith('/') ? member.target : parent + member.target);
    }
    return undefined;
  }
}
