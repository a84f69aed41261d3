/**
 * Shale as a library: what its commands do, one function each.
 *
 *     import { render, verify } from 'shale';
 *     await render('oci:layout:latest', [{ path: 'root.sqfs' }], { onProgress: event => … , signal });
 *     const { differences } = await verify('oci:layout:latest', 'root.sqfs');
 *
 * A source is `oci:DIR[:TAG|@DIGEST]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:REF]`. Failures are ShaleErrors: branch on
 * `code`, show `message` and `hint`. Every function takes an AbortSignal and rejects with `cancelled` when it is aborted.
 */
export { type ErrorCode, ShaleError, type Warning, type WarningCode } from '../error/index.ts';
export { cat } from './cat.ts';
export { type ImageReport, inspect, type LayerContent, type LayerReport } from './inspect.ts';
export { type ListEntry, list } from './list.ts';
export type { ImageOptions, ProgressEvent, WarningSummary } from './options.ts';
export {
  compressions,
  formatOf,
  type OutputCompression,
  type OutputFormat,
  type OutputRequest,
  outputFormats,
} from './output.ts';
export { type RenderResult, render } from './render.ts';
export { type Difference, type DifferenceKind, type VerifyReport, verify } from './verify/index.ts';
export { type WhyReport, why } from './why.ts';
