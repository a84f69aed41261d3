import type { ProcessEnd } from '../../zone/index.ts';
import { signalName } from '../../zone/signal.ts';
import type { ZoneEnd } from './request.ts';

/** As timeout(1) has it. */
const timedOutStatus = 124;

/** The end of a process as a shell reports it. */
export function reportEnd(
  end: ProcessEnd & { readonly failure?: { readonly text: string } | undefined },
): ZoneEnd {
  const { status, signal, outOfMemory, timedOut, failure } = end;
  return {
    status: timedOut ? timedOutStatus : (status ?? 128 + (signal ?? 0)),
    ...(signal !== undefined && { signal: signalName(signal) }),
    ...(outOfMemory && { outOfMemory }),
    ...(timedOut && { timedOut }),
    ...(failure !== undefined && { failure: failure.text }),
  };
}
