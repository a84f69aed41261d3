import type { ProgressEvent } from '../../engine/index.ts';
import { formatJson, tell } from '../output.ts';
import { Layers } from './layers.ts';
import type { Progress } from './progress.ts';

/** Milliseconds between two lines about one layer. */
const interval = 100;

/** The events as they are, one JSON object a line; of each layer no more than ten a second, its first and its last. */
export class JsonProgress implements Progress {
  #layers: Layers | undefined;
  readonly #told = new Map<number, number>();

  update(event: ProgressEvent): void {
    const { type: name, ...rest } = event;
    if (event.type === 'image') this.#layers = new Layers(event);
    if (event.type === 'layer') {
      const changed = this.#layers?.update(event);
      const now = performance.now();
      if (changed === undefined && now - (this.#told.get(event.layer) ?? 0) < interval) return;
      this.#told.set(event.layer, now);
    }
    tell(formatJson({ event: name, ...rest }));
  }

  end(): void {}
}
