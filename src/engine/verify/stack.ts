import { openStack } from '../stack/open.ts';
import { type Difference, summariseDifferences } from './difference.ts';
import { checkStackFiles } from './stack-files.ts';

export interface StackReport {
  readonly path: string;
  readonly format: 'stack';
  /** Those that `stack.json` describes, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** The first 1000; none means that all files are what `stack.json` says. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

/**
 * Whether the files of a stack are what its `stack.json` says, every bit of them; no image is asked. Differences are a result, not an
 * error; `invalid` for a `stack.json` that is none, `not-found` where there is none.
 */
export async function verifyStack(
  path: string,
  options: { readonly jobs?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<StackReport> {
  const { differences, files, bytes } = await checkStackFiles(await openStack(path), options);
  return { path, format: 'stack', files, bytes, ...summariseDifferences([differences]) };
}
