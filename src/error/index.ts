/**
 * The one error hierarchy of Shale. A caller branches on `code`, a closed union; a person reads `message`
 * (what was wrong and where) and `hint` (what to do); a program reads `detail`. Each folder that fails in its
 * own way has one subclass. Causes are chained, never pasted into the message.
 */
export { errnoMessage, errnoName, isErrno, wrapErrno } from './errno.ts';
export { originalError } from './original.ts';
export { type PortableError, packError, unpackError } from './portable.ts';
export {
  type Detail,
  type ErrorCode,
  type ErrorOptions,
  errorCodes,
  exitStatus,
  ShaleError,
} from './shale-error.ts';
export { type Warning, type WarningCode, type WarningReport, Warnings, warningCodes } from './warning.ts';
