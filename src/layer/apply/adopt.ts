import { lstatSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Warnings, wrapErrno } from '../../error/index.ts';
import { Descent, Losses, Metadata, pathBytes, readNames, throwIfAborted } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import { lookAt, readFacts, typeOf } from '../disk/facts.ts';
import { type Marks, marksOf } from '../mark/index.ts';
import { finishDirectory } from './finish.ts';
import type { ApplyTarget } from './options.ts';
import { withoutMarks } from './view.ts';

/**
 * Gives the directories of an applied layer that no entry described the metadata of those below, now that these are known
 * (`Below`): `below` shows the layers under it merged. Does nothing to others, and nothing the second time. HostErrors.
 */
export async function adoptParents(
  target: ApplyTarget,
  below: string,
  options: { readonly warnings?: Warnings | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { warnings = new Warnings(), signal } = options;
  const marks = marksOf(target.form);
  if (marks === undefined) return;
  const losses = new Losses();
  try {
    using descent = Descent.open(target.path);
    using lower = Descent.open(below);
    const { uid, gid } = lstatSync(pathBytes(descent.at('.')));
    const adopt = new Adoption(descent, lower, marks, new Metadata({ uid, gid }, { warnings, losses }));
    await adopt.run(signal);
    losses.report(warnings);
  } catch (error) {
    throw wrapErrno(error, `cannot complete the directories of ${target.path}`);
  }
}

class Adoption {
  readonly #descent: Descent;
  readonly #lower: Descent;
  readonly #marks: Marks;
  readonly #metadata: Metadata;

  constructor(descent: Descent, lower: Descent, marks: Marks, metadata: Metadata) {
    this.#descent = descent;
    this.#lower = lower;
    this.#marks = marks;
    this.#metadata = metadata;
  }

  /** Where the target's directory has none below, nothing is to be had below it either. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    const frames: ByteString[][] = [this.#names()];
    for (let names = frames.at(-1); names !== undefined; names = frames.at(-1)) {
      const name = names.pop();
      if (name === undefined) {
        await setImmediate();
        throwIfAborted(signal);
        this.#adopt();
        frames.pop();
        this.#descent.leave();
        this.#lower.leave();
      } else if (isDirectory(this.#descent, name) && isDirectory(this.#lower, name)) {
        this.#descent.enter(name);
        this.#lower.enter(name);
        frames.push(this.#names());
      }
    }
  }

  #names(): ByteString[] {
    return this.#marks.isOpaque(this.#descent) ? [] : readNames(this.#descent.at('.'));
  }

  #adopt(): void {
    if (!this.#marks.isImplied(this.#descent)) return;
    const metadata = withoutMarks(readFacts(this.#lower, '.')!);
    const trace = {
      leaf: undefined,
      children: undefined,
      finish: { kind: 'set', metadata, known: true },
    } as const;
    finishDirectory(trace, this.#descent, { metadata: this.#metadata, marks: this.#marks });
  }
}

function isDirectory(descent: Descent, name: ByteString): boolean {
  const stats = lookAt(descent, name);
  return stats !== undefined && typeOf(stats) === 'directory';
}
