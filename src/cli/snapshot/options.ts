import type { SnapshotterOptions } from '../../engine/snapshot/open.ts';
import { UsageError } from '../error.ts';
import type { Values } from '../option.ts';
import { safe, tell } from '../output.ts';

/** Which driver, from the flags; where none is named, the choice is told if it is not the first one. */
export function readSnapshotter(values: Values, command: string): SnapshotterOptions {
  const { root, driver, quiet } = values;
  return {
    ...{ root, driver },
    settings: readPairs(values['driver-option'], '--driver-option', command),
    onChoice({ why, copies, passed }) {
      // Copying is slow and large: that is never silent.
      if (passed.length === 0 || (quiet && !copies)) return;
      tell(`shale: driver ${safe(why)}`);
      for (const { driver: name, support } of passed) {
        if (!support.usable) tell(`shale: ${name}: ${safe(support.reason)}; ${safe(support.hint)}`);
      }
      if (copies) tell('shale: each snapshot will be a full copy of its parent');
    },
  };
}

/** `NAME=VALUE`, any number of times. UsageError. */
export function readPairs(
  texts: readonly string[] = [],
  flag: string,
  command: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map(text => {
      const at = text.indexOf('=');
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      throw new UsageError(
        `${flag}: ${JSON.stringify(text)} is not NAME=VALUE`,
        `see shale ${command} --help`,
      );
    }),
  );
}
