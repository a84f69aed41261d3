import { why as explain, type Why } from '../merge/index.ts';
import { byteString } from '../tree/index.ts';
import { indexImage } from './layers.ts';
import { type ImageOptions, summarise, type WarningSummary } from './options.ts';
import { withSource } from './source.ts';

export interface WhyReport extends Why {
  /** Of each layer (oldest first): its digest, and the command that made it. */
  readonly layers: readonly { readonly name: string; readonly createdBy: string | undefined }[];
  readonly warnings: WarningSummary;
}

/** Which layers supplied, changed and deleted a path. `path` is text; leading and doubled slashes do not matter. */
export async function why(source: string, path: string, options: ImageOptions = {}): Promise<WhyReport> {
  return await withSource(source, options, async opened => {
    const { image, layers, created, warnings, limits } = await indexImage(opened, options);
    const found = explain(layers, normalise(path), { created, warnings, limits });
    const steps = image.config.history.filter(({ emptyLayer }) => !emptyLayer);
    const told = steps.length === image.layers.length;
    return {
      ...found,
      layers: image.layers.map(({ digest, diffId }, layer) => ({
        name: digest ?? diffId,
        createdBy: told ? steps[layer]!.createdBy : undefined,
      })),
      warnings: summarise(warnings),
    };
  });
}

function normalise(path: string): string {
  return byteString(path)
    .split('/')
    .filter(name => name !== '' && name !== '.')
    .join('/');
}
