import { ShaleError } from '../../error/index.ts';
import { type Digest, JsonView, parseDigest, parseJson } from '../../oci/index.ts';
import { parseFsverityDigest, parseRootHash, verityBlockSize } from '../../verity/index.ts';
import { filesOf, type StackFile, type StackLayer, type StackManifest, stackMediaType } from './manifest.ts';

/**
 * Reads a `stack.json`; `where` is its path. ShaleError `invalid`, with the field's place, for whatever is not as doc/format/stack.md
 * says: a name that is no plain path below the directory, a mount of files that are not described. `unsupported` for another
 * version. What nobody knows is left out.
 */
export function parseStack(bytes: Uint8Array, where: string): StackManifest {
  const view = new JsonView(parseJson(bytes, where), where);
  const mediaType = view.string('mediaType');
  if (mediaType !== stackMediaType) {
    throw invalid(`${where}.mediaType`, `is ${JSON.stringify(mediaType)}, not ${stackMediaType}`);
  }
  if (view.size('schemaVersion') !== 1) {
    throw new ShaleError('unsupported', `${where}: a stack of version ${view.size('schemaVersion')}`);
  }
  const manifest: StackManifest = {
    schemaVersion: 1,
    mediaType: stackMediaType,
    image: readImage(view.object('image')),
    layers: view.objects('layers').map(readLayer),
    ...(view.has('overlay') && { overlay: readOverlay(view.object('overlay')) }),
    ...(view.has('merged') && { merged: readMerged(view.object('merged')) }),
  };
  check(manifest, where);
  return manifest;
}

function readImage(view: JsonView): StackManifest['image'] {
  return {
    ...(view.has('manifest') && { manifest: readDigest(view, 'manifest') }),
    ...{ config: readDigest(view, 'config'), platform: view.string('platform') },
  };
}

function readLayer(view: JsonView): StackLayer {
  return {
    diffId: readDigest(view, 'diffId'),
    ...(view.has('image') && { image: readFile(view.object('image')) }),
    ...(view.has('tar') && { tar: readFile(view.object('tar')) }),
  };
}

function readOverlay(view: JsonView): NonNullable<StackManifest['overlay']> {
  const lowers = view.objects('lowers').map(lower => ({
    file: readName(lower, 'file'),
    ...(lower.has('device') && { device: readName(lower, 'device') }),
  }));
  if (lowers.length === 0) throw invalid(`${view.where}.lowers`, 'has nothing to mount');
  return { head: readFile(view.object('head')), lowers };
}

function readMerged(view: JsonView): NonNullable<StackManifest['merged']> {
  const devices = view.strings('devices');
  for (const [index, name] of devices.entries()) checkName(name, `${view.where}.devices[${index}]`);
  return { image: readFile(view.object('image')), devices };
}

function readFile(view: JsonView): StackFile {
  const { where } = view;
  const [file, size] = [readName(view, 'file'), view.size('size')];
  const described = {
    ...{ file, size, digest: readDigest(view, 'digest') },
    ...(view.has('rootHash') && { rootHash: parsed(view, 'rootHash', parseRootHash) }),
    fsverity: parsed(view, 'fsverity', parseFsverityDigest),
  };
  if (!described.digest.startsWith('sha256:')) throw invalid(`${where}.digest`, 'is no sha256');
  if (!view.has('hashFile')) return described;
  const [hashFile, hashOffset] = [readName(view, 'hashFile'), view.size('hashOffset')];
  if (described.rootHash === undefined)
    throw invalid(`${where}.hashFile`, 'has no rootHash that belongs to it');
  const isPlace =
    hashOffset % verityBlockSize === 0 && (hashFile !== file || (hashOffset > 0 && hashOffset < size));
  if (!isPlace) throw invalid(`${where}.hashOffset`, 'is no place where a hash tree can begin');
  return { ...described, hashFile, hashOffset };
}

function readDigest(view: JsonView, key: string): Digest {
  return parseDigest(view.string(key), `${view.where}.${key}`);
}

function parsed(view: JsonView, key: string, parse: (text: string) => string): string {
  const text = view.string(key);
  try {
    return parse(text);
  } catch (error) {
    throw invalid(`${view.where}.${key}`, `is wrong: ${(error as Error).message}`);
  }
}

function readName(view: JsonView, key: string): string {
  const name = view.string(key);
  checkName(name, `${view.where}.${key}`);
  return name;
}

function checkName(name: string, where: string): void {
  const isPlain = name.split('/').every(part => part !== '' && part !== '.' && part !== '..');
  if (isPlain && !name.includes('\0')) return;
  throw invalid(where, `is ${JSON.stringify(name)}, no path below the stack`);
}

/** What is mounted is described, and nothing is described twice, otherwise than before. */
function check(manifest: StackManifest, where: string): void {
  const { layers, overlay, merged } = manifest;
  if (overlay === undefined && merged === undefined) throw invalid(where, 'has neither overlay nor merged');
  const known = new Map(filesOf(manifest).map(file => [file.file, JSON.stringify(file)]));
  const described: (readonly [string, StackFile | undefined])[] = [
    ...layers.flatMap(
      ({ image, tar }, index) =>
        [
          [`layers[${index}].image`, image],
          [`layers[${index}].tar`, tar],
        ] as const,
    ),
    ['overlay.head', overlay?.head],
    ['merged.image', merged?.image],
  ];
  for (const [place, file] of described) {
    if (file === undefined || known.get(file.file) === JSON.stringify(file)) continue;
    throw invalid(`${where}.${place}`, `says other things of ${file.file} than another place`);
  }
  const mounted: (readonly [string, string | undefined])[] = [
    ...(overlay?.lowers ?? []).flatMap(
      ({ file, device }, index) =>
        [
          [`overlay.lowers[${index}].file`, file],
          [`overlay.lowers[${index}].device`, device],
        ] as const,
    ),
    ...(merged?.devices ?? []).map((file, index) => [`merged.devices[${index}]`, file] as const),
  ];
  for (const [place, file] of mounted) {
    if (file === undefined || known.has(file)) continue;
    throw invalid(`${where}.${place}`, `is ${file}, which is not described`);
  }
  if (overlay !== undefined && overlay.lowers[0]!.file !== overlay.head.file) {
    throw invalid(`${where}.overlay.lowers[0]`, 'is not the head');
  }
}

function invalid(where: string, why: string): ShaleError {
  return new ShaleError('invalid', `${where} ${why}`, { detail: { where } });
}
