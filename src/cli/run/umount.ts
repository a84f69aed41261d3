import { type UmountResult, umountImage, umountLeft } from '../../engine/snapshot/umount.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { printJson, safe, tell } from '../output.ts';

const help = 'see shale umount --help';

export async function run({ operands, values }: Invocation): Promise<number> {
  const [place] = operands;
  const { root, keep, discard, lazy: lazily, left } = values;
  if (keep && discard) throw new UsageError('--keep and --discard exclude each other', help);
  if (left ? place !== undefined : place === undefined) {
    throw new UsageError(
      left ? '--left takes no PLACE: it is for all that is left' : 'umount needs PLACE',
      help,
    );
  }
  const request = {
    root,
    lazily,
    changes: keep ? ('keep' as const) : discard ? ('discard' as const) : undefined,
  };
  const results = place === undefined ? await umountLeft(request) : [await umountImage(place, request)];
  if (!values.quiet) for (const result of results) tell(describe(result));
  if (values.json) printJson(place === undefined ? { mounts: results } : results[0]);
  return 0;
}

function describe({ target, snapshot, changes, directory }: UmountResult): string {
  if (directory !== undefined) return `${safe(target)}: what was written is in ${safe(directory)}`;
  if (changes !== 'kept')
    return `${safe(target)}: ${changes === 'none' ? 'nothing was written' : 'what was written is gone'}`;
  const name = safe(snapshot);
  return `${safe(target)}: what was written is kept as ${name}; shale commit ${name} NAME, or shale snapshot rm ${name}`;
}
