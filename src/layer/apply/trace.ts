import type { FileMetadata } from '../../host/index.ts';
import type { ByteString, Timestamp } from '../../tree/index.ts';

/** What a directory is to have once all is in it. */
export type Finish =
  | { readonly kind: 'set'; readonly metadata: FileMetadata; readonly known: boolean }
  /** It was there, and no entry describes it: as it was. */
  | { readonly kind: 'restore'; readonly mtime: Timestamp; readonly mode: number };

/** A name that this layer has to do with. */
export interface Trace {
  /** A non-directory that the layer has made; `lost`: one that the system did not let it make. */
  leaf: 'made' | 'lost' | undefined;
  finish: Finish | undefined;
  children: Map<ByteString, Trace> | undefined;
}

export function createTrace(): Trace {
  return { leaf: undefined, finish: undefined, children: undefined };
}

/** The trace of a place, made where there is none. */
export function traceAt(root: Trace, names: readonly ByteString[]): Trace {
  let trace = root;
  for (const name of names) {
    trace.children ??= new Map();
    let child = trace.children.get(name);
    if (child === undefined) {
      child = createTrace();
      trace.children.set(name, child);
    }
    trace = child;
  }
  return trace;
}

export function findTrace(root: Trace, names: readonly ByteString[]): Trace | undefined {
  let trace: Trace | undefined = root;
  for (const name of names) trace = trace?.children?.get(name);
  return trace;
}
