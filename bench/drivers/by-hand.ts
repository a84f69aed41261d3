import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { run } from '../pull/packages.ts';
import { extract } from './extract.ts';
import type { OpenSubject, Subject, View } from './subject.ts';

/** What runs command lines where the mounts are to be. */
export interface Stage extends AsyncDisposable {
  /** Words before a command line. */
  readonly entrance: readonly string[];
}

/** Layers as lower directories and an upper one, mounted by command lines; `DIR` in them is the directory of one view. */
export interface StackRecipe {
  /** Mounts `target` with the upper directory `upper`, the work directory `work` and these lowers, the uppermost first. */
  readonly mount: (places: Places & { readonly lowers: readonly string[] }) => string;
  /** Turns a directory into what is mounted as a lower, and mounts it; for layers that are files. The result is the lower. */
  readonly pack?: (layer: PackedLayer) => readonly string[];
  /** All layers together are one lower, made of what all of them show. */
  readonly flat?: boolean;
  readonly stage?: () => Promise<Stage>;
}

export interface Places {
  readonly upper: string;
  readonly work: string;
  readonly target: string;
}

export interface PackedLayer {
  readonly directory: string;
  readonly image: string;
  readonly mounted: string;
}

export function byHand(recipe: StackRecipe, subject: Omit<Subject, 'open'>): Subject {
  return { ...subject, open: (place, layers) => StackedSubject.open(recipe, place, layers) };
}

class StackedSubject implements OpenSubject {
  readonly #recipe: StackRecipe;
  readonly #place: string;
  readonly #stage: Stage;
  /** The uppermost first. */
  #lowers: readonly string[] = [];
  readonly #mounted: string[] = [];
  #count = 0;

  private constructor(recipe: StackRecipe, place: string, stage: Stage) {
    this.#recipe = recipe;
    this.#place = place;
    this.#stage = stage;
  }

  static async open(recipe: StackRecipe, place: string, layers: readonly string[]): Promise<StackedSubject> {
    const stage = (await recipe.stage?.()) ?? { entrance: [], async [Symbol.asyncDispose]() {} };
    const subject = new StackedSubject(recipe, place, stage);
    try {
      for (const layer of layers) subject.#add(layer, layers.indexOf(layer));
      if (recipe.flat) subject.#flatten();
      return subject;
    } catch (error) {
      await subject[Symbol.asyncDispose]();
      throw error;
    }
  }

  async prepare(): Promise<View> {
    this.#count += 1;
    const directory = path.join(this.#place, `view-${this.#count}`);
    const places = makePlaces(directory);
    const mount = () => this.shell(this.#recipe.mount({ ...places, lowers: this.#lowers }));
    mount();
    let isMounted = true;
    const unmount = () => {
      if (isMounted) this.shell(`umount ${places.target}`);
      isMounted = false;
    };
    return {
      path: places.target,
      entrance: this.#stage.entrance,
      remount: async () => {
        unmount();
        mount();
        isMounted = true;
      },
      commit: async () => {
        const { pack, flat } = this.#recipe;
        const image = path.join(directory, 'image');
        // A flat image holds what the view shows, so that must still be there.
        if (pack !== undefined && flat)
          this.shell(pack({ directory: places.target, image, mounted: '' })[0]!);
        unmount();
        if (pack !== undefined && !flat)
          this.shell(pack({ directory: places.upper, image, mounted: '' })[0]!);
        this.shell(`sync -f ${this.#place}`);
      },
      [Symbol.asyncDispose]: async () => {
        unmount();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  }

  shell(line: string): void {
    const [program, ...rest] = [...this.#stage.entrance, 'bash', '-c', `set -e -o pipefail; ${line}`];
    run(program!, rest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#mounted.reverse()) this.shell(`umount ${each}`);
    await this.#stage[Symbol.asyncDispose]();
  }

  #add(layer: string, index: number): void {
    const directory = path.join(this.#place, `layer-${index}`);
    mkdirSync(directory);
    extract(layer, directory);
    if (this.#recipe.pack === undefined || this.#recipe.flat) this.#lowers = [directory, ...this.#lowers];
    else this.#lowers = [this.#pack(directory), ...this.#lowers];
  }

  #pack(directory: string): string {
    const layer = { directory, image: `${directory}.image`, mounted: `${directory}.mounted` };
    mkdirSync(layer.mounted);
    const [make, mount] = this.#recipe.pack!(layer) as [string, string];
    this.shell(make);
    rmSync(directory, { recursive: true });
    this.shell(mount);
    this.#mounted.push(layer.mounted);
    return layer.mounted;
  }

  /** No file is in two of the layers, nor deleted. */
  #flatten(): void {
    const flat = path.join(this.#place, 'flat');
    mkdirSync(flat);
    for (const lower of this.#lowers.toReversed()) this.shell(`cp -a ${lower}/. ${flat} && rm -r ${lower}`);
    this.#lowers = [this.#pack(flat)];
  }
}

function makePlaces(directory: string): Places {
  const at = (name: string) => path.join(directory, name);
  for (const name of ['', 'upper', 'work', 'merged']) mkdirSync(at(name));
  return { upper: at('upper'), work: at('work'), target: at('merged') };
}
