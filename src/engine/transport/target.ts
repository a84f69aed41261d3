import { createImageTarget, type ImageTarget } from '../../archive/index.ts';
import type { Target } from '../../oci/index.ts';
import { CacheTarget } from './cache-target.ts';
import type { Connections } from './connections.ts';
import { RegistryTarget } from './registry-target.ts';
import type { CopySource } from './source.ts';

/** Opens the target of a copy. Nothing is changed there before the copy begins. */
export async function createCopyTarget(
  target: Target,
  connections: Connections,
  source: CopySource,
): Promise<ImageTarget> {
  switch (target.kind) {
    case 'registry':
      return new RegistryTarget(await connections.client(), target.reference, source.findSister);
    case 'cache':
      return new CacheTarget(await connections.store(), target.reference);
    default:
      return await createImageTarget(target);
  }
}
