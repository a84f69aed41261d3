import { ShaleError } from '../error/index.ts';

/** Reading: `corrupt` where the image is damaged or contradicts itself, `unsupported` for features that are not read. Writing: `unsupported` for what EROFS has no room for. */
export class ErofsError extends ShaleError {}
