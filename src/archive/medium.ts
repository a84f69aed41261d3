import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { BlobLocation } from '../content/index.ts';
import { isErrno, wrapErrno } from '../error/index.ts';
import { ArchiveError } from './error.ts';

/** What holds the files of a layout: a directory or a tar file. Names are relative, with slashes, without `..`. */
export interface Medium {
  /** Its path, for messages. */
  readonly path: string;
  /** Where the file lies; `undefined` if there is none. ArchiveError `invalid` if it is not a regular file. */
  find(name: string): Promise<BlobLocation | undefined>;
}

/** The file's status, links followed; `undefined` if there is nothing. */
export async function findStatus(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    throw wrapErrno(error, `cannot read ${path}`);
  }
}

/** A directory of plain files. Symlinks are followed: what they lead to is verified like anything else. */
export class DirectoryMedium implements Medium {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  async find(name: string): Promise<BlobLocation | undefined> {
    const path = join(this.path, name);
    const status = await findStatus(path);
    if (status === undefined) return undefined;
    if (!status.isFile())
      throw new ArchiveError('invalid', `${path} is not a regular file`, { detail: { path } });
    return { path, offset: 0, size: status.size };
  }
}

/** Like `find`, but a file that is not there is ArchiveError `not-found`; `what` says what it would have been. */
export async function locate(medium: Medium, name: string, what: string): Promise<BlobLocation> {
  const location = await medium.find(name);
  if (location !== undefined) return location;
  throw new ArchiveError('not-found', `${medium.path} has no ${name}, ${what}`, {
    detail: { path: medium.path, name },
  });
}
