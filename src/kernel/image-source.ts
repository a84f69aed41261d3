import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { throwIfAborted } from '../host/index.ts';
import {
  type ImageSource,
  openSquashfs,
  type SquashfsImage,
  type StoredDirectory,
} from '../squashfs/index.ts';
import { collect } from './decompress.ts';
import type { KernelDraft } from './draft.ts';
import { KernelError } from './error.ts';
import type { InstallProgress } from './progress.ts';

/** The files of an OCI image that carries a kernel. */
export interface KernelFiles {
  /** What to call the image in messages: its reference. */
  readonly place: string;
  /** Of its manifest: whether it is installed already. */
  readonly digest?: string | undefined;
  /** The content of a regular file by its path, without a slash in front; `undefined` if it is not there. */
  read(path: string): AsyncIterable<Uint8Array> | undefined;
}

const mostMetadataBytes = 64 * 1024;
const mostAddonBytes = 8 * 1024 ** 3;
const mostDepth = 16;
/** Modules of such an image do not say in their path what release they are of. */
const anyRelease = 'addons';

/**
 * An image as Edera publishes kernels: `kernel/image`, `kernel/metadata` (`KEY=value` lines), `kernel/config.gz`, and
 * `kernel/addons.squashfs`, whose `modules` is what others have as /lib/modules/RELEASE. Returns a name for it, if it says one.
 */
export async function takeImage(
  draft: KernelDraft,
  files: KernelFiles,
  directory: string,
  options: InstallProgress,
): Promise<string | undefined> {
  const image = files.read('kernel/image');
  if (image === undefined) {
    throw new KernelError('invalid', `${files.place} carries no kernel: it has no file kernel/image`, {
      hint: 'name an image that was made to carry a kernel, such as those of linux-kernel-oci',
    });
  }
  const metadata = await readMetadata(files);
  const architecture = metadata.get('KERNEL_ARCH') ?? 'x86_64';
  if (architecture !== 'x86_64') {
    throw new KernelError(
      'unsupported',
      `${files.place} is a kernel for ${architecture}; zones run on amd64`,
    );
  }
  options.onProgress?.({ step: 'unpack', what: 'kernel/image', bytes: 0 });
  await draft.takeImage(image);
  const config = files.read('kernel/config.gz');
  if (config !== undefined) await draft.takeConfig(anyRelease, config);
  const addons = files.read('kernel/addons.squashfs');
  if (addons !== undefined) await takeAddons(draft, addons, join(directory, 'addons'), options);
  const name = [metadata.get('KERNEL_VERSION'), metadata.get('KERNEL_FLAVOR')].filter(Boolean).join('-');
  return /^[A-Za-z0-9][A-Za-z0-9+._~-]{0,99}$/.test(name) ? `linux-${name}` : undefined;
}

async function readMetadata(files: KernelFiles): Promise<ReadonlyMap<string, string>> {
  const body = files.read('kernel/metadata');
  if (body === undefined) return new Map();
  const text = (await collect(body, mostMetadataBytes, 'kernel/metadata')).toString('utf8');
  const pairs = text.split('\n').map(line => /^([A-Z0-9_]+)=(.*)$/.exec(line.trim()));
  return new Map(pairs.filter(pair => pair !== null).map(pair => [pair[1]!, pair[2]!]));
}

async function takeAddons(
  draft: KernelDraft,
  body: AsyncIterable<Uint8Array>,
  path: string,
  options: InstallProgress,
): Promise<void> {
  const fd = openSync(path, 'wx+', 0o600);
  try {
    // Its content is taken out of it: it is needed no longer than it is open.
    rmSync(path);
    let bytes = 0;
    for await (const chunk of body) {
      throwIfAborted(options.signal);
      if (bytes + chunk.length > mostAddonBytes) {
        throw new KernelError('exhausted', `kernel/addons.squashfs has more than ${mostAddonBytes} bytes`);
      }
      for (let done = 0; done < chunk.length; ) {
        done += writeSync(fd, chunk, done, chunk.length - done, bytes + done);
      }
      bytes += chunk.length;
      options.onProgress?.({ step: 'unpack', what: 'kernel/addons.squashfs', bytes });
    }
    using squashfs = openSquashfs(fileSource(fd, bytes));
    const modules = squashfs.find(squashfs.root, 'modules');
    if (modules?.type === 'directory') await takeDirectory(draft, squashfs, modules, '', 0);
  } finally {
    closeSync(fd);
  }
}

async function takeDirectory(
  draft: KernelDraft,
  squashfs: SquashfsImage,
  directory: StoredDirectory,
  path: string,
  depth: number,
): Promise<void> {
  for (const entry of squashfs.list(directory)) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    if (entry.type !== 'directory' && entry.type !== 'file') continue;
    const inode = squashfs.inode(entry.reference);
    if (inode.type === 'directory' && depth < mostDepth) {
      await takeDirectory(draft, squashfs, inode, below, depth + 1);
    } else if (inode.type === 'file') {
      await draft.takeModule(anyRelease, below, async function* () {
        yield* squashfs.read(inode);
      });
    }
  }
}

function fileSource(fd: number, size: number): ImageSource {
  return {
    size,
    readAt(position, target) {
      for (let done = 0; done < target.length; ) {
        const count = readSync(fd, target, done, target.length - done, position + done);
        if (count === 0) throw new KernelError('corrupt', 'kernel/addons.squashfs is cut');
        done += count;
      }
    },
  };
}
