import { existsSync } from 'node:fs';
import { ShaleError } from '../../error/index.ts';
import { findDataRoot } from '../../host/index.ts';
import {
  type KernelSummary as Installed,
  installKernel as install,
  type KernelFiles,
  listKernels as list,
  removeKernel,
  setDefaultKernel,
} from '../../kernel/index.ts';
import { byteString } from '../../tree/index.ts';
import type { View } from '../place/view.ts';
import type { KernelSummary } from './report.ts';
import type { InstallKernelRequest, ZoneOptions } from './request.ts';

/** What can only be an image: a package's name has neither colon nor slash. */
const imageName = /^(docker:\/\/|oci:|oci-archive:|docker-archive:|cache:)|[/:]/;

/** Puts a kernel with its modules into the cache; zones boot with it from then on, if there was none. */
export async function installKernel(request: InstallKernelRequest = {}): Promise<KernelSummary> {
  const { root = findDataRoot(), from, signal, onStep } = request;
  let told = '';
  const onProgress = ({ step, what }: { readonly step: string; readonly what: string }) => {
    const text = `${step} ${what}`;
    if (text !== told) onStep?.(text);
    told = text;
  };
  const options = { root, signal, onProgress };
  if (from === undefined || existsSync(from) || !imageName.test(from)) {
    const { name } = await install({ ...options, from });
    return await find(root, name);
  }
  const { openPlace } = await import('../place/open.ts');
  await using view = await openPlace(from, { ...request, root });
  const { name } = await install({ ...options, source: filesOf(from, view) });
  return await find(root, name);
}

/** The regular files of an image, by their paths. */
function filesOf(place: string, view: View<unknown>): KernelFiles {
  return {
    place,
    read(path) {
      let handle: unknown = view.root;
      for (const name of path.split('/')) {
        if (view.describe(handle).type !== 'directory') return undefined;
        handle = view.child(handle, byteString(name));
        if (handle === undefined) return undefined;
      }
      return view.describe(handle).type === 'file' ? chunks(view.read(handle)) : undefined;
    },
  };
}

async function* chunks(bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* bytes;
}

/** The kernels in the cache, by name. */
export async function listKernels({ root = findDataRoot() }: ZoneOptions = {}): Promise<KernelSummary[]> {
  return (await list(root)).map(summarise);
}

/** Removes kernels from the cache. Zones that run with one go on. */
export async function removeKernels(
  names: readonly string[],
  { root = findDataRoot() }: ZoneOptions = {},
): Promise<KernelSummary[]> {
  const removed: KernelSummary[] = [];
  for (const name of names) {
    removed.push(await find(root, name));
    await removeKernel(root, name);
  }
  return removed;
}

/** Makes a kernel of the cache the one that zones boot with if nothing is said. */
export async function useKernel(
  name: string,
  { root = findDataRoot() }: ZoneOptions = {},
): Promise<KernelSummary> {
  await setDefaultKernel(root, name);
  return await find(root, name);
}

async function find(root: string, name: string): Promise<KernelSummary> {
  const kernels = await listKernels({ root });
  const found = kernels.find(kernel => kernel.name === name);
  if (found !== undefined) return found;
  throw new ShaleError('not-found', `there is no kernel ${JSON.stringify(name)} in the cache`, {
    detail: { kernel: name, kernels: kernels.map(({ name }) => name) },
    hint: 'shale zone kernel ls shows what there is',
  });
}

function summarise({ name, release, digest, size, modules, installed, isDefault }: Installed): KernelSummary {
  return { name, release, digest, bytes: size, modules, isDefault, installed: installed.toISOString() };
}
