import type { LayerLimits } from '../engine/limits.ts';
import type { ImageOptions, RegistryOptions } from '../engine/options.ts';
import type { Invocation } from './command/index.ts';
import { limitNames, type Values } from './option.ts';
import type { ProgressEvent } from './progress/index.ts';

/** The engine's options, from the flags that all commands on images share. */
export function readImageOptions(
  { values, signal }: Invocation,
  onProgress?: (event: ProgressEvent) => void,
): ImageOptions {
  const { platform, jobs, memory, strict, root, policy } = values;
  return {
    ...{ platform, jobs, memory, strict, limits: readLimits(values), signal, onProgress },
    ...{ root, policy, cache: values['no-cache'] !== true },
    ...readRegistryOptions(values),
  };
}

/** The limits that are given with `--max-…`. */
export function readLimits(values: Values): Partial<LayerLimits> {
  const limits: { -readonly [Name in keyof LayerLimits]?: number } = {};
  for (const [flag, name] of Object.entries(limitNames) as [keyof typeof limitNames, keyof LayerLimits][]) {
    const value = values[flag];
    if (value !== undefined) limits[name] = value;
  }
  return limits;
}

/** The flags that say how registries are asked. */
export function readRegistryOptions(values: Values): RegistryOptions {
  const { authfile: authFile, retries } = values;
  return { authFile, retries, certDir: values['cert-dir'], insecureRegistries: values['insecure-registry'] };
}
