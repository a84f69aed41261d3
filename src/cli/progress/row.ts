import { formatBytes, formatDuration, formatRate } from '../quantity.ts';
import type { Board, Reading, Task } from './board.ts';
import { hows } from './how.ts';

/** One line of a picture: what it is about, how much of it is done from 0 to 1, and the same in words. */
export interface Row {
  readonly label: string;
  readonly share: number;
  readonly amount: string;
  readonly look: 'faint' | 'active' | 'done';
}

/** The row of a layer or a blob. */
export function formatTask(task: Task, { kind, tasks }: Board, reading: Reading): Row {
  const { position, name, size, received, read, cached, state, how } = task;
  const digits = String(tasks.length - 1).length;
  const label = kind === 'layer' ? `${String(position).padStart(digits)} ${name}` : name;
  const all = formatBytes(size);
  const shareOf = (done: number) => (size === 0 ? 0 : done / size);
  switch (state) {
    case 'waiting':
      return { label, share: 0, amount: 'waiting', look: 'faint' };
    case 'there':
      return { label, share: 0, amount: `${all}, already there`, look: 'faint' };
    case 'downloading':
      return {
        label,
        share: shareOf(received),
        amount: `${formatBytes(received)} of ${all}`,
        look: 'active',
      };
    case 'downloaded':
      return { label, share: 1, amount: `${all}, downloaded`, look: 'active' };
    case 'reading': {
      const verb = reading === 'rendering' && cached !== undefined ? 'rendering ' : '';
      return { label, share: shareOf(read), amount: `${verb}${formatBytes(read)} of ${all}`, look: 'active' };
    }
    case 'done': {
      const note = how !== undefined ? hows[how] : cached === true ? 'already there' : '';
      return { label, share: 1, amount: note === '' ? all : `${all}, ${note}`, look: 'done' };
    }
  }
}

/** The last row: of the download while there is one, then of the reading; `rates` are bytes in a second. */
export function formatTotal(
  { kind, tasks, done, download, reading }: Board,
  rates: Readonly<Record<'download' | 'reading', number>>,
  { verb, finishing }: { readonly verb: Reading; readonly finishing: boolean },
): Row {
  const label = kind === 'check' ? 'checking' : `${done} of ${tasks.length} ${kind}s`;
  const phase = reading.size === 0 || download.done < download.size ? 'download' : 'reading';
  const { size, done: moved } = phase === 'download' ? download : reading;
  const share = size === 0 ? 1 : moved / size;
  const look = 'active';
  if (finishing) return { label, share, amount: 'completing', look };
  const rate = rates[phase];
  const speed = rate === 0 ? '' : `, ${formatRate(rate, 1)}`;
  const left = rate === 0 || moved >= size ? '' : `, ${formatDuration((size - moved) / rate)} left`;
  // After a download it has to be said that another count has begun.
  const what = phase === 'reading' && verb === 'rendering' && download.count > 0 ? 'rendering ' : '';
  return {
    label,
    share,
    amount: `${what}${formatBytes(moved)} of ${formatBytes(size)}${speed}${left}`,
    look,
  };
}
