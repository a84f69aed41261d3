import { stackTrees, treeOfStack } from '../../../overlay/index.ts';
import type { Tree } from '../../../tree/index.ts';
import { type LayerContent, type OpenLayer, openLayer } from './open-layer.ts';

/** Several layers, and what they show together. Disposing it closes them. */
export interface StackedLayers extends Disposable {
  /** In the order in which they were given. */
  readonly layers: readonly OpenLayer[];
  /** Contents name their layer by its position. */
  readonly tree: Tree<LayerContent>;
}

/** Stacks layers' files, the nearest first, as OverlayFS would, in memory. Linear in all that they have. */
export function stackLayers(paths: readonly string[]): StackedLayers {
  using stack = new DisposableStack();
  const layers = paths.map(path => stack.use(openLayer(path)));
  const trees = layers.map((layer, position) => layer.tree(position));
  const tree = treeOfStack(stackTrees(trees.reverse())!);
  const opened = stack.move();
  return { layers, tree, [Symbol.dispose]: () => opened.dispose() };
}
