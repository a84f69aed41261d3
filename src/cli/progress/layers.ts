import type { ProgressEvent } from '../../engine/index.ts';

export interface LayerState {
  /** Position from the oldest layer, 0. */
  readonly layer: number;
  /** As people know it: the start of its digest. */
  readonly name: string;
  /** Bytes of the blob. */
  readonly size: number;
  read: number;
  readonly state: 'waiting' | 'active' | 'done';
}

type MutableState = { -readonly [Key in keyof LayerState]: LayerState[Key] };

/** How far the layers of an image are, as its progress events tell. Each event costs the same, however many layers there are. */
export class Layers {
  readonly all: readonly LayerState[];
  /** In the order in which they began. */
  readonly active = new Set<LayerState>();
  /** Bytes of all blobs, and how many of them were read; a second reading does not count again. */
  readonly size: number;
  read = 0;
  done = 0;

  constructor({ layers }: Extract<ProgressEvent, { type: 'image' }>) {
    this.all = layers.map(({ name, size }, layer) => ({
      ...{ layer, size, read: 0, state: 'waiting' as const },
      name: name.replace(/^sha256:/, '').slice(0, 12),
    }));
    this.size = layers.reduce((sum, { size }) => sum + size, 0);
  }

  /** Takes an event in; returns the layer where it began or ended by it. */
  update({ layer, read }: Extract<ProgressEvent, { type: 'layer' }>): LayerState | undefined {
    const state = this.all[layer] as MutableState | undefined;
    if (state === undefined || state.state === 'done') return undefined;
    this.read += read - state.read;
    state.read = read;
    const before = state.state;
    state.state = read >= state.size ? 'done' : 'active';
    if (state.state === before) return undefined;
    if (state.state === 'active') this.active.add(state);
    else {
      this.active.delete(state);
      this.done += 1;
    }
    return state;
  }
}
