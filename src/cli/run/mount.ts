import { type MountResult, mountImage } from '../../engine/snapshot/mount.ts';
import { findMounted, type MountedImage } from '../../engine/snapshot/mounted.ts';
import type { UpperChoice } from '../../engine/snapshot/upper.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readImageOptions } from '../image-options.ts';
import { print, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { findSize, formatAge, formatNumber } from '../quantity.ts';
import { familiar } from '../reference.ts';
import { readSnapshotter } from '../snapshot/options.ts';

const help = 'see shale mount --help';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const [image, directory] = operands;
  if (image === undefined) return await list(invocation);
  if (directory === undefined) throw new UsageError('mount needs DIR: where to mount it', help);
  if (values.ro && values.rw) throw new UsageError('--ro and --rw exclude each other', help);
  if (values.ro && values.upper !== undefined)
    throw new UsageError('--ro has nothing to write, so no --upper', help);
  const left = (await findMounted(values.root)).filter(({ state }) => state === 'left');
  const progress = openProgress(values, { elsewhere: 'plain', reading: 'reading' });
  let result: MountResult;
  try {
    result = await mountImage(image, directory, {
      ...readImageOptions(invocation, event => progress.update(event)),
      ...readSnapshotter(values, 'mount'),
      ...{ mode: values.ro ? 'ro' : 'rw', suid: values.suid, devices: values.dev },
      upper: readUpper(values.upper),
    });
  } finally {
    progress.end();
  }
  if (!values.quiet) {
    tellLeft(left);
    summarise(result);
  }
  if (values.json) printJson(result);
  return 0;
}

async function list({ values }: Invocation): Promise<number> {
  const mounted = await findMounted(values.root);
  if (values.json) printJson({ mounts: mounted });
  else if (values.quiet) print(mounted.map(({ target }) => `${safe(target)}\n`).join(''));
  else print(`${formatMounted(mounted, { now: Date.now() }).join('\n')}\n`);
  if (!values.quiet) tellLeft(mounted.filter(({ state }) => state === 'left'));
  return 0;
}

/** The table of mounts; `now` in milliseconds. */
export function formatMounted(mounted: readonly MountedImage[], { now }: { readonly now: number }): string[] {
  const rows = mounted.map(({ target, image, driver, mode, snapshot, state, created }) => [
    ...[safe(target), safe(familiar(image)), driver, mode, safe(snapshot), state],
    formatAge(Date.parse(created), now),
  ]);
  return formatColumns([['TARGET', 'IMAGE', 'DRIVER', 'MODE', 'SNAPSHOT', 'STATE', 'CREATED'], ...rows]);
}

function tellLeft(left: readonly MountedImage[]): void {
  if (left.length === 0) return;
  const what = left.length === 1 ? '1 mount is' : `${left.length} mounts are`;
  tell(`shale: ${what} left from before, and not mounted any more: shale umount --left clears up`);
}

function summarise({ target, image, driver, mode, snapshot, layers, unpacked }: MountResult): void {
  const there = unpacked === 0 ? 'all there' : `${unpacked} unpacked`;
  tell(
    `${safe(target)}: ${safe(familiar(image))}, ${formatNumber(layers, 'layer')} (${there}), ${driver}, ${mode}, snapshot ${safe(snapshot)}`,
  );
}

/** `tmpfs`, a size, or else a directory. */
function readUpper(text: string | undefined): UpperChoice | undefined {
  if (text === undefined) return undefined;
  if (text === 'tmpfs') return { kind: 'tmpfs' };
  const size = findSize(text);
  return size === undefined ? { kind: 'directory', path: text } : { kind: 'disk', size };
}
