import type { ProgressEvent } from '../../engine/index.ts';
import { tell } from '../output.ts';
import { formatBytes, formatNumber } from '../quantity.ts';
import { Layers } from './layers.ts';
import type { Progress } from './progress.ts';

/** A line for the start, for each finished layer and for the end: for logs. */
export class PlainProgress implements Progress {
  #layers: Layers | undefined;

  update(event: ProgressEvent): void {
    if (event.type === 'image') {
      this.#layers = new Layers(event);
      tell(`reading ${formatNumber(event.layers.length, 'layer')}, ${formatBytes(this.#layers.size)}`);
    } else if (event.type === 'layer') {
      const changed = this.#layers?.update(event);
      if (changed?.state !== 'done') return;
      const { done, all } = this.#layers!;
      tell(
        `layer ${changed.layer} ${changed.name} read, ${formatBytes(changed.size)} (${done} of ${all.length})`,
      );
    } else {
      tell('all layers read, completing');
    }
  }

  end(): void {}
}
