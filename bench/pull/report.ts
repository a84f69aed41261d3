import type { PullImage } from './build.ts';
import type { Turn } from './race.ts';

type Table = readonly (readonly string[])[];

/** What the turns come to, as tables: the first row is the head, the first column the names. */
export function createTables(
  turns: readonly Turn[],
  images: readonly PullImage[],
): { readonly title: string; readonly table: Table }[] {
  const first = turns.filter(({ after }) => after === undefined);
  const later = turns.filter(({ after }) => after !== undefined);
  return [
    { title: 'Images', table: createImageTable(images) },
    { title: 'From nothing to a mountable root filesystem, seconds', table: createTimeTable(first) },
    { title: 'What an image costs, mean of the images', table: createCostTable(first) },
    ...(later.length === 0
      ? []
      : [{ title: 'All but the last layer is there', table: createSharedTable(later) }]),
  ];
}

function createImageTable(images: readonly PullImage[]): Table {
  return [
    ['image', 'layers', 'entries', 'MB', 'MB of gzip'],
    ...images.map(({ name, layers, entries, bytes, blobBytes }) => [
      name,
      String(layers),
      String(entries),
      megabytes(bytes),
      megabytes(blobBytes),
    ]),
  ];
}

/** Times are medians of the rounds with the range; ratios are of these medians. */
function createTimeTable(turns: readonly Turn[]): Table {
  const contenders = distinct(turns.map(turn => turn.contender));
  const [own, ...peers] = contenders;
  const secondsOf = (contender: string, image: string) =>
    select(turns, contender, image).map(turn => turn.cost.seconds);
  const images = distinct(turns.map(turn => turn.image));
  const ratios = images.map(image =>
    peers.map(peer => middle(secondsOf(peer, image)) / middle(secondsOf(own!, image))),
  );
  const averages = contenders.map(contender =>
    mean(images.map(image => middle(secondsOf(contender, image)))),
  );
  return [
    ['image', ...contenders, ...peers.map(peer => `${brief(peer)} ÷ ${brief(own!)}`)],
    ...images.map((image, row) => [
      image,
      ...contenders.map(contender => withRange(secondsOf(contender, image))),
      ...ratios[row]!.map(ratio => ratio.toFixed(2)),
    ]),
    [
      'mean',
      ...averages.map(average => average.toFixed(1)),
      ...peers.map((_, column) => mean(ratios.map(row => row[column]!)).toFixed(2)),
    ],
  ];
}

function createCostTable(turns: readonly Turn[]): Table {
  const images = distinct(turns.map(turn => turn.image));
  return [
    [
      '',
      'CPU s',
      'of the registry',
      '`sync` after it, s',
      'MB received',
      'MB on disk',
      'peak MiB of a client process',
    ],
    ...distinct(turns.map(turn => turn.contender)).map(contender => {
      const own = turns.filter(turn => turn.contender === contender);
      const average = (value: (turn: Turn) => number) =>
        mean(images.map(image => middle(select(own, contender, image).map(value))));
      return [
        contender,
        average(turn => turn.cost.user + turn.cost.system + turn.daemonCpu).toFixed(1),
        average(turn => turn.registryCpu).toFixed(1),
        average(turn => turn.sync).toFixed(1),
        megabytes(average(turn => turn.sent)),
        megabytes(average(turn => turn.disk)),
        (Math.max(...own.map(turn => turn.cost.peakMemory ?? 0)) / 2 ** 20).toFixed(0),
      ];
    }),
  ];
}

function createSharedTable(turns: readonly Turn[]): Table {
  return [
    ['', 'image', 'after', 'seconds', 'MB received'],
    ...distinct(turns.map(turn => turn.contender)).map(contender => {
      const own = turns.filter(turn => turn.contender === contender);
      return [
        contender,
        own[0]!.image,
        own[0]!.after!,
        withRange(own.map(turn => turn.cost.seconds)),
        megabytes(middle(own.map(turn => turn.sent))),
      ];
    }),
  ];
}

/** The complaint where contenders have made different root filesystems of one image. */
export function findDifferences(turns: readonly Turn[]): readonly string[] {
  const listed = turns.filter(turn => turn.listing !== undefined);
  return distinct(listed.map(turn => turn.image)).flatMap(image => {
    const group = listed.filter(turn => turn.image === image);
    if (distinct(group.map(turn => turn.listing!.digest)).length === 1) return [];
    return group.map(
      ({ contender, listing }) =>
        `${image}, ${contender}: ${listing!.entries} entries, ${listing!.bytes} bytes, ${listing!.digest.slice(0, 12)}`,
    );
  });
}

export function formatTable(table: Table, markdown: boolean): string {
  if (!markdown) {
    const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)));
    const pad = (cell: string, column: number) =>
      column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]! + 2);
    return table.map(row => row.map(pad).join('')).join('\n');
  }
  const [head, ...rows] = table;
  const rule = head!.map((_, column) => (column === 0 ? '---' : '---:'));
  const format = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [format(head!), `|${rule.join('|')}|`, ...rows.map(format)].join('\n');
}

function select(turns: readonly Turn[], contender: string, image: string): readonly Turn[] {
  return turns.filter(turn => turn.contender === contender && turn.image === image);
}

function withRange(values: readonly number[]): string {
  const text = middle(values).toFixed(1);
  return values.length === 1
    ? text
    : `${text} (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})`;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}

function brief(contender: string): string {
  return contender.split(' ', 1)[0]!;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
