import type { Values } from '../option.ts';
import type { openProgress } from './index.ts';
import type { Progress, ProgressEvent } from './progress.ts';

/** Not loaded and not shown before a layer is fetched or read: where all is there already nothing is said. */
export function openProgressLater(values: Values, options: Parameters<typeof openProgress>[1]): Progress {
  const waiting: ProgressEvent[] = [];
  let progress: Progress | undefined;
  let loading = false;
  let ended = false;
  const load = async () => {
    loading = true;
    const { openProgress } = await import('./index.ts');
    if (ended) return;
    progress = openProgress(values, options);
    for (const event of waiting.splice(0)) progress.update(event);
  };
  return {
    update(event) {
      if (ended || values.quiet) return;
      if (progress !== undefined) return progress.update(event);
      // Of an image only the last is of interest, should it be opened twice.
      if (event.type === 'image' && !loading) waiting.length = 0;
      waiting.push(event);
      if (!loading && event.type !== 'image' && event.type !== 'finish') void load();
    },
    end() {
      ended = true;
      progress?.end();
    },
  };
}
