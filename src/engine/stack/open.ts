import { realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { readSmall } from '../../content/location.ts';
import { ErofsError } from '../../erofs/error.ts';
import { type ErofsImage, openErofs } from '../../erofs/image.ts';
import { isErrno, ShaleError, wrapErrno } from '../../error/index.ts';
import { ImageFile } from '../../host/image-file.ts';
import { manifestName, type StackManifest } from './manifest.ts';
import { parseStack } from './parse.ts';

/** A stack on disk. */
export interface OpenedStack {
  /** Of its directory. */
  readonly path: string;
  readonly manifest: StackManifest;
  /** Where a file of it is; only files that are really below the directory: `invalid` for others, `not-found` for none. */
  locate(file: string): string;
}

/** ShaleError `not-found` where no stack is, `invalid` for a `stack.json` that is none. */
export async function openStack(path: string): Promise<OpenedStack> {
  try {
    const root = realpathSync(path);
    const locate = (file: string) => locateBelow(root, file, path);
    const place = join(path, manifestName);
    const file = locate(manifestName);
    const bytes = await readSmall({ path: file, offset: 0, size: statSync(file).size });
    return { path, manifest: parseStack(bytes, place), locate };
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path} as a stack`);
  }
}

function locateBelow(root: string, file: string, path: string): string {
  const place = join(path, file);
  const refuse = (what: string) =>
    new ShaleError('invalid', `${place} is ${what}, no file of the stack`, { detail: { path: place, what } });
  let found: string;
  try {
    found = realpathSync(place);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw wrapErrno(error, `cannot read ${place}`);
    throw new ShaleError('not-found', `there is no ${place}`, { cause: error, detail: { path: place } });
  }
  if (!found.startsWith(root === sep ? sep : `${root}${sep}`)) throw refuse('a link that leads out');
  // Whoever opens a fifo waits for its writer.
  if (!statSync(found).isFile()) throw refuse('no regular file');
  return found;
}

/** An image of a stack, with the devices that the manifest has for it, in its order, as the kernel is given them. */
export class StackImage implements Disposable {
  readonly image: ErofsImage;
  readonly #open = new DisposableStack();

  /** ErofsError; `corrupt` also if the image has another number of devices, which the kernel refuses. */
  constructor({ locate, path }: OpenedStack, file: string, devices: readonly string[]) {
    using open = new DisposableStack();
    const source = open.use(new ImageFile(locate(file)));
    const place = join(path, file);
    try {
      this.image = open.use(
        openErofs(source, {
          devices: (_, number) => this.#open.use(new ImageFile(locate(devices[number - 1]!))),
        }),
      );
    } catch (error) {
      throw wrapErrno(error, `cannot read ${place}`);
    }
    const { length } = this.image.superblock.devices;
    if (length !== devices.length) {
      const message = `${place} has ${length} extra devices, and ${manifestName} names ${devices.length}`;
      throw new ErofsError('corrupt', message, {
        detail: { path: place, expected: devices.length, actual: length },
      });
    }
    this.#open = open.move();
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }
}
