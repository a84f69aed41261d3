import { readFileSync } from 'node:fs';
import { ShaleError } from '../../error/index.ts';
import { parseConfig, parseSource } from '../../oci/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { type ImageOptions, summarise } from '../options.ts';
import { pull } from '../pull.ts';
import { renderImage } from '../render.ts';
import { withSource } from '../source.ts';
import { keyOf, requireOurArchitecture, type ZoneArtifact, type ZoneFormat } from './artifact.ts';

/** Pulls and renders an image, or renders a local one, which stays where it is: the cache only keeps what was made of it. */
export async function makeImage(
  reference: string,
  options: ImageOptions & { readonly format: ZoneFormat },
): Promise<ZoneArtifact> {
  using store = await openStore({ root: options.root });
  const { kind } = parseSource(reference);
  if (kind !== 'registry' && kind !== 'cache') return await renderLocal(reference, store, options);
  const pulled = await pull(reference, { ...options, policy: options.policy ?? 'if-not-present' });
  const image = store
    .images()
    .find(({ manifest, reference }) => manifest === pulled.manifestDigest && reference === pulled.reference);
  const blob = image && store.findBlob(image.config, image.configSize);
  if (image === undefined || blob === undefined) throw vanished(reference);
  const config = parseConfig(readFileSync(blob.path), `config ${image.config}`);
  const artifact = store.findArtifact(keyOf(image.manifest, config, options.format));
  if (artifact === undefined) throw vanished(reference);
  return {
    manifest: image.manifest,
    config,
    configDigest: image.config,
    artifact,
    warnings: pulled.warnings,
  };
}

async function renderLocal(
  reference: string,
  store: Store,
  options: ImageOptions & { readonly format: ZoneFormat },
): Promise<ZoneArtifact> {
  return await withSource(reference, options, async opened => {
    const { image } = opened;
    const { format } = options;
    const { config, configDigest } = image;
    const manifest = image.manifestDigest ?? configDigest;
    const key = keyOf(manifest, config, format);
    const there = store.findArtifact(key);
    if (there !== undefined) return { manifest, config, configDigest, artifact: there };
    requireOurArchitecture(reference, config);
    using draft = store.createArtifact(key, format === 'squashfs' ? 'sqfs' : format);
    const { outputs } = await renderImage(opened, [{ path: draft.path, format }], {
      ...options,
      measure: true,
    });
    const { bytes: size, measured } = outputs[0]!;
    const artifact = await draft.commit({ size, measured, signal: opened.signal });
    return { manifest, config, configDigest, artifact, warnings: summarise(opened.warnings) };
  });
}

function vanished(reference: string): ShaleError {
  return new ShaleError('conflict', `${reference} was removed from the cache meanwhile`, {
    detail: { reference },
    hint: 'run it again',
  });
}
