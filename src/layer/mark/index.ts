/**
 * How a directory that holds one layer says what it deletes (`WhiteoutForm`): written while a layer is applied, read
 * when a layer is made of what has changed.
 */
import type { WhiteoutForm } from '../form.ts';
import { aufsMarks, fuseMarks } from './file.ts';
import type { Marks } from './mark.ts';
import { overlayMarks } from './overlay.ts';

export type { Marks, NameMark, Place } from './mark.ts';
export { isYes, isZeroDevice } from './overlay.ts';

const marks: Readonly<Record<Exclude<WhiteoutForm, 'plain'>, Marks>> = {
  overlay: overlayMarks('trusted.overlay.'),
  'overlay-user': overlayMarks('user.overlay.'),
  'fuse-overlayfs': fuseMarks,
  aufs: aufsMarks,
};

export function marksOf(form: Exclude<WhiteoutForm, 'plain'>): Marks;
/** `undefined` of `plain`, which has none. */
export function marksOf(form: WhiteoutForm): Marks | undefined;
export function marksOf(form: WhiteoutForm): Marks | undefined {
  return form === 'plain' ? undefined : marks[form];
}
