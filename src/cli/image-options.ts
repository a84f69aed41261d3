import type { ImageOptions, ProgressEvent } from '../engine/index.ts';
import type { LayerLimits } from '../engine/limits.ts';
import type { Invocation } from './command.ts';
import { limitNames } from './option.ts';

/** The engine's options, from the flags that all commands on images share. */
export function readImageOptions(
  { values, signal }: Invocation,
  onProgress?: (event: ProgressEvent) => void,
): ImageOptions {
  const { platform, jobs, memory, strict } = values;
  const limits: { -readonly [Name in keyof LayerLimits]?: number } = {};
  for (const [flag, name] of Object.entries(limitNames) as [keyof typeof limitNames, keyof LayerLimits][]) {
    const value = values[flag as keyof typeof limitNames];
    if (value !== undefined) limits[name] = value;
  }
  return { platform, jobs, memory, strict, limits, signal, onProgress };
}
