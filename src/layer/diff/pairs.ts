import { setImmediate } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../../error/index.ts';
import { Descent, shown, throwIfAborted } from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import { changed } from '../disk/content.ts';
import { type Facts, readFacts } from '../disk/facts.ts';
import type { Listed, Reading } from './reading.ts';

/** A name of the newer directory beside what the older one has there. */
export interface Pair {
  readonly kind: 'entry' | 'deleted' | 'left-out';
  readonly path: ByteString;
  readonly name: ByteString;
  /** Of an entry. */
  readonly facts: Facts | undefined;
  /** What shows from the older directory; `unknown` if there is none to ask. */
  readonly older: Facts | 'unknown' | undefined;
  /** Of a directory: it hides what the older one has in it. */
  readonly opaque: boolean;
  readonly implied: boolean;
  /** Where a name that is no directory's is; valid until the next pair is asked for. */
  readonly newerPlace: Descent;
  readonly olderPlace: Descent | undefined;
}

interface Frame {
  readonly listed: readonly Listed[];
  next: number;
  readonly older: 'open' | 'none' | 'unknown';
}

export interface PairOptions {
  readonly newer: string;
  /** `undefined`: there is none; `unknown`: nobody knows. */
  readonly older: string | 'unknown' | undefined;
  readonly reading: Reading;
  readonly signal?: AbortSignal | undefined;
}

/** Names between two looks at the event loop. */
const slice = 512;

/**
 * Walks two directories side by side: each before what it holds, names in byte order, the root first. Every step is one
 * name from an open directory, and no symlink is followed in either. HostErrors; `conflict` for what vanishes meanwhile.
 */
export async function* walkPairs(options: PairOptions): AsyncGenerator<Pair, void, undefined> {
  const { reading, signal } = options;
  using newer = Descent.open(options.newer);
  const isKnown = options.older !== 'unknown' && options.older !== undefined;
  using older = isKnown ? Descent.open(options.older) : undefined;
  const walk = new Walk(newer, older, reading);
  yield walk.begin(options.older === 'unknown' ? 'unknown' : isKnown ? 'open' : 'none');
  for (let count = 0; ; count += 1) {
    if (count % slice === 0) {
      await setImmediate();
      throwIfAborted(signal);
    }
    const pair = walk.next();
    if (pair === undefined) return;
    if (pair !== 'left') yield pair;
  }
}

class Walk {
  readonly #newer: Descent;
  readonly #older: Descent | undefined;
  readonly #reading: Reading;
  readonly #frames: Frame[] = [];

  constructor(newer: Descent, older: Descent | undefined, reading: Reading) {
    this.#newer = newer;
    this.#older = older;
    this.#reading = reading;
  }

  begin(older: Frame['older']): Pair {
    const facts = readFacts(this.#newer, '.')!;
    const opaque = this.#reading.isOpaque(this.#newer);
    this.#push(opaque ? 'none' : older);
    return {
      ...{ kind: 'entry', path: '', name: '.', facts, opaque: opaque && older !== 'none' },
      older: older === 'open' ? readFacts(this.#older!, '.') : older === 'unknown' ? older : undefined,
      implied: this.#reading.isImplied(this.#newer),
      ...{ newerPlace: this.#newer, olderPlace: this.#older },
    };
  }

  /** `left`: a directory was left, there is nothing to tell. */
  next(): Pair | 'left' | undefined {
    try {
      const frame = this.#frames.at(-1)!;
      const listed = frame.listed[frame.next];
      frame.next += 1;
      if (listed !== undefined) return this.#look(listed, frame);
      this.#frames.pop();
      if (this.#frames.length === 0) return undefined;
      this.#newer.leave();
      if (frame.older === 'open') this.#older!.leave();
      return 'left';
    } catch (error) {
      throw wrapErrno(error, `cannot read ${shown(this.#newer.path)}`);
    }
  }

  #look({ name, deleted }: Listed, frame: Frame): Pair {
    const above = this.#newer.path;
    const path = above === '' ? name : `${above}/${name}`;
    const old = frame.older === 'open' ? readFacts(this.#older!, name) : undefined;
    const older: Pair['older'] = frame.older === 'unknown' ? 'unknown' : old;
    const places = { newerPlace: this.#newer, olderPlace: frame.older === 'open' ? this.#older : undefined };
    const pair = { path, name, facts: undefined, older, opaque: false, implied: false, ...places };
    if (deleted) return { ...pair, kind: 'deleted' };
    const facts = readFacts(this.#newer, name);
    if (facts === undefined) throw changed(path);
    const kind = this.#reading.judge(facts, this.#newer);
    if (kind !== 'entry') return { ...pair, kind };
    if (facts.type !== 'directory') return { ...pair, kind, facts };
    this.#enter(this.#newer, name, path);
    const isOpaque = this.#reading.isOpaque(this.#newer);
    const isMerged = older === 'unknown' || older?.type === 'directory';
    const state = isOpaque || !isMerged ? 'none' : frame.older;
    if (state === 'open') this.#enter(this.#older!, name, path);
    this.#push(state);
    const implied = this.#reading.isImplied(this.#newer);
    return { ...pair, kind, facts, opaque: isOpaque && isMerged, implied };
  }

  #enter(descent: Descent, name: ByteString, path: ByteString): void {
    try {
      descent.enter(name);
    } catch (error) {
      if (isErrno(error, 'ELOOP', 'ENOTDIR', 'ENOENT')) throw changed(path, error);
      throw error;
    }
  }

  #push(older: Frame['older']): void {
    const listed = this.#reading.list(this.#newer, older === 'open' ? this.#older : undefined);
    this.#frames.push({ listed, next: 0, older });
  }
}
