import type { LabStep } from '../step.ts';
import { changeSteps } from './changes.ts';
import { deletionSteps } from './deletions.ts';
import { layerSteps } from './layer.ts';
import { mountSteps } from './mounts.ts';
import { renameSteps } from './renames.ts';
import type { OverlayTerms } from './terms.ts';

/**
 * OverlayFS by hand (kernel, Documentation/filesystems/overlayfs.rst): lowers, the merged view, what every kind of change leaves in the upper
 * directory, and how that becomes a layer of an image.
 */
export function overlaySteps(terms: OverlayTerms): readonly LabStep[] {
  return [mountSteps, changeSteps, deletionSteps, renameSteps, layerSteps].flatMap(steps => steps(terms));
}
