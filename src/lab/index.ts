/**
 * What a person is shown by hand, as data: steps with an explanation, the command lines that are run, and what to see in what they print. Nothing here
 * runs anything: `engine/lab` does, for real, and nothing that a step shows was written down beforehand.
 */
export { LabError } from './error.ts';
export { overlaySteps } from './overlay/index.ts';
export type { OverlayTerms } from './overlay/terms.ts';
export type { LabCommand, LabStep } from './step.ts';
