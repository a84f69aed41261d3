import { ShaleError, type Warnings } from '../error/index.ts';
import { type LayerEntry, type LayerLimits, Shadow } from '../layer/index.ts';
import { type Content, merge } from '../merge/index.ts';
import type { Timestamp, Tree } from '../tree/index.ts';
import { DataPass, type LayerProgress, type ReadLayer } from './data-pass.ts';
import type { LayerSource } from './layer-source.ts';
import type { Output, Sink } from './sink/sink.ts';
import { findWanted } from './wanted.ts';
import { Workbench, type WorkbenchOptions } from './workbench.ts';

export interface RenderOptions extends WorkbenchOptions {
  readonly limits: LayerLimits;
  readonly warnings: Warnings;
  /** When the image was made: the time of directories that no layer describes. */
  readonly created: Timestamp;
  readonly onProgress?: LayerProgress;
  /** Called when all contents are there, before outputs are completed. */
  readonly onFinish?: () => void;
  /** Called when all outputs are complete, before the first is committed; if it fails, none is. */
  readonly onComplete?: () => Promise<void>;
  /** How many of the sinks compress in threads. */
  readonly compressing: number;
}

export interface Rendered {
  readonly outputs: readonly Output[];
  readonly tree: Tree<Content>;
  readonly layers: readonly ReadLayer[];
  /** Layers that were read a second time, because what the stream could not know mattered (see `render`). */
  readonly readAgain: number;
}

/**
 * Renders layers (oldest first) into sinks, from one decompression.
 *
 * The data pass runs newest layer first and cannot know the merged tree yet; `Shadow` predicts which contents newer
 * layers hide. When all indexes are there, the merge says exactly which contents are needed. What was needed and
 * not taken is read from its layers again and comes last; if something was taken that is not needed (a path repeated
 * within its layer, a parent that is a symlink below), everything is read again with exact knowledge. Either way the
 * order of contents is: predicted and needed, newest layer first, then needed and not predicted, newest layer first.
 * It depends on the layers only, and so do the outputs' bytes.
 */
export async function render(
  layers: readonly LayerSource[],
  openSinks: (bench: Workbench) => Promise<readonly Sink[]>,
  options: RenderOptions,
): Promise<Rendered> {
  await using bench = new Workbench({ ...options, layers: layers.length, outputs: options.compressing });
  await using stack = new AsyncDisposableStack();
  const sinks = await openSinks(bench);
  for (const sink of sinks) stack.use(sink);
  // It works on files that the sinks have open: they must not close them before it has ended, however that may be.
  let completing: Promise<void> | undefined;
  stack.defer(async () => await completing?.catch(() => {}));
  const onComplete = async () => {
    completing = options.onComplete?.();
    await completing;
  };
  const rendered = await bench.race(new Rendering(layers, bench, sinks, { ...options, onComplete }).run());
  // From here on nothing is stopped half-way: an abort that comes now is too late. What can still fail, first.
  const fallible = ({ format }: Sink) => (format === 'directory' ? 0 : 1);
  const outputs = new Map<Sink, Output>();
  for (const sink of [...sinks].sort((a, b) => fallible(a) - fallible(b)))
    outputs.set(sink, await sink.commit());
  return { ...rendered, outputs: sinks.map(sink => outputs.get(sink)!) };
}

/** Of one layer: which contents were taken, and under which numbers. */
type Taken = Map<number, number>;

class Rendering {
  readonly #layers: readonly LayerSource[];
  readonly #bench: Workbench;
  readonly #sinks: readonly Sink[];
  readonly #options: RenderOptions;
  #taken: Taken[] = [];
  #nextId = 0;
  #readAgain = 0;

  constructor(
    layers: readonly LayerSource[],
    bench: Workbench,
    sinks: readonly Sink[],
    options: RenderOptions,
  ) {
    this.#layers = layers;
    this.#bench = bench;
    this.#sinks = sinks;
    this.#options = options;
    this.#taken = layers.map(() => new Map());
  }

  async run(): Promise<Omit<Rendered, 'outputs'>> {
    const { created, warnings, limits } = this.#options;
    const read = await this.#predict();
    const tree = merge(read, { created, warnings, limits });
    const wanted = findWanted(tree, this.#layers.length);
    await this.#correct(wanted);
    this.#options.onFinish?.();
    for (const sink of this.#sinks) {
      await sink.finish(tree, ({ content }) => this.#numberOf(content));
      this.#bench.check();
    }
    await this.#options.onComplete?.();
    this.#bench.check();
    return { tree, layers: read, readAgain: this.#readAgain };
  }

  /** The first pass: all layers, each against the shadow of those above it. */
  async #predict(): Promise<readonly ReadLayer[]> {
    const shadow = new Shadow();
    const read: ReadLayer[] = [];
    await this.#pass(this.#newestFirst(), true, {
      wants: entry => !shadow.hides(entry.path),
      ended: (layer, result) => {
        // What the oldest layer hides, nobody asks.
        if (layer > 0) shadow.add(result.entries);
        read[layer] = result;
      },
    });
    return read;
  }

  /** Makes what was taken what is wanted. */
  async #correct(wanted: readonly ReadonlySet<number>[]): Promise<void> {
    const predicted = this.#taken;
    if (predicted.some((taken, layer) => [...taken.keys()].some(position => !wanted[layer]!.has(position)))) {
      for (const sink of this.#sinks) {
        await sink.restart();
        this.#bench.check();
      }
      this.#nextId = 0;
      this.#taken = this.#layers.map(() => new Map());
      const again = this.#newestFirst().filter(layer => predicted[layer]!.size > 0);
      await this.#pass(again, false, {
        wants: (_, position, layer) => predicted[layer]!.has(position) && wanted[layer]!.has(position),
      });
    }
    const late = this.#newestFirst().filter(layer => wanted[layer]!.size > this.#taken[layer]!.size);
    const before = this.#taken.map(taken => new Set(taken.keys()));
    await this.#pass(late, false, {
      wants: (_, position, layer) => wanted[layer]!.has(position) && !before[layer]!.has(position),
    });
  }

  async #pass(
    layers: readonly number[],
    first: boolean,
    rule: {
      wants: (entry: LayerEntry, position: number, layer: number) => boolean;
      ended?: (layer: number, result: ReadLayer) => void;
    },
  ): Promise<void> {
    const { limits, warnings, onProgress = () => {} } = this.#options;
    const { slabs, ingest, check } = this.#bench;
    const firstId = this.#nextId;
    const pass = new DataPass({
      slabs,
      sinks: this.#sinks,
      limits,
      warnings,
      onProgress,
      check,
      first,
      firstId,
    });
    const [strict, data] = [first && warnings.strict, this.#sinks.length > 0];
    const readings = layers.map(layer => {
      const source = this.#layers[layer]!;
      const { digest, diffId } = source;
      const request = { kind: 'layer', layer, digest, diffId, limits, strict, data, digests: false } as const;
      return ingest.read(request, source.locate());
    });
    for (const reading of readings) {
      const { layer } = reading;
      const result = await pass.read(
        reading,
        (entry, position) => rule.wants(entry, position, layer),
        (position, id) => this.#taken[layer]!.set(position, id),
      );
      this.#layers[layer]!.verified?.();
      rule.ended?.(layer, result);
    }
    this.#nextId = pass.nextId;
    if (!first) this.#readAgain += layers.length;
  }

  #newestFirst(): number[] {
    return this.#layers.map((_, layer) => layer).reverse();
  }

  #numberOf({ layer, entry }: Content): number {
    const id = this.#taken[layer]!.get(entry);
    if (id === undefined)
      throw new ShaleError('internal', `content ${entry} of layer ${layer} was not taken`);
    return id;
  }
}
