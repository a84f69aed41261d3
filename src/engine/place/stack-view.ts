import { openStack, StackImage } from '../stack/open.ts';
import type { LowerContent } from '../stack/overlay-tree.ts';
import { ErofsView } from './erofs-view.ts';
import { TreeView } from './tree-view.ts';

/** What a stack shows when it is mounted: its merged image, of which only what is looked into is read; else all its layers, stacked. */
export async function openStackView(path: string): Promise<ErofsView | TreeView<LowerContent>> {
  const stack = await openStack(path);
  const { merged } = stack.manifest;
  if (merged !== undefined) return new ErofsView(new StackImage(stack, merged.image.file, merged.devices));
  const { OverlayTree } = await import('../stack/overlay-tree.ts');
  using open = new DisposableStack();
  const overlay = open.use(new OverlayTree(stack));
  const { tree } = overlay;
  const kept = open.move();
  return new TreeView(tree, ({ content }) => overlay.read(content), {
    async [Symbol.asyncDispose]() {
      kept.dispose();
    },
  });
}
