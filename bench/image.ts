import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  createFile,
  createItem,
  createOpaque,
  createWhiteout,
  flatten,
  type Item,
  type Items,
} from './item.ts';
import { type LayerCompression, type WrittenImage, writeLayout } from './layout.ts';
import { anyFiles, createItems, selectFiles } from './machine.ts';
import { createHugeFile, createManyLayers, createSmallFiles } from './synthetic.ts';

/**
 * The images that Shale is measured with. They are made once, of this machine's own files or of synthetic ones, and kept
 * in the temporary directory:
 *
 *     machine   five layers of real files, and one on top that replaces, deletes, hides and hard-links some of them
 *     merged    the same root filesystem as one layer, for peers that read a single tar
 *     small     100 000 files of up to 8 KiB
 *     layers    500 layers
 *     huge      one file of 6 GiB
 *     hidden    a file of 4 GiB that the upper of two layers deletes
 *     stack     like `machine`, without hardlinks from one layer into another: each can be unpacked by itself
 */
export const recipes = ['machine', 'merged', 'small', 'layers', 'huge', 'hidden', 'stack'] as const;
export type Recipe = (typeof recipes)[number];

export interface BenchImage extends WrittenImage {
  /** The OCI layout; its one image is tagged `latest`. */
  readonly directory: string;
}

/** Raise when a recipe makes something else: what older versions left in the cache is then passed over. */
const version = 3;
const gibibyte = 1_073_741_824;

/** The image of `recipe`, from the cache or made now. `bytes` counts for `machine`, `merged` and `stack`. */
export async function provideImage(
  recipe: Recipe,
  algorithm: LayerCompression['algorithm'] = 'gzip',
  bytes = 1_050_000_000,
): Promise<BenchImage> {
  const cache = cacheDirectory();
  const directory = path.join(cache, `${version}-${recipe}-${algorithm}-${bytes}`);
  const facts = path.join(directory, 'bench.json');
  if (!existsSync(facts)) {
    const temporary = mkdtempSync(path.join(cache, 'unfinished-'));
    try {
      const written = await writeLayout(temporary, createLayers(recipe, bytes), {
        algorithm,
        level: levelOf(recipe, algorithm),
      });
      writeFileSync(path.join(temporary, 'bench.json'), JSON.stringify(written));
      rmSync(directory, { recursive: true, force: true });
      renameSync(temporary, directory);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }
  return { directory, ...(JSON.parse(readFileSync(facts, 'utf8')) as WrittenImage) };
}

function levelOf(recipe: Recipe, algorithm: LayerCompression['algorithm']): number {
  if (algorithm === 'zstd') return 3;
  return recipe === 'huge' || recipe === 'hidden' ? 1 : 6;
}

function createLayers(recipe: Recipe, bytes: number): readonly Items[] {
  switch (recipe) {
    case 'machine':
      return createMachineLayers(bytes);
    case 'merged':
      return [flatten(createMachineLayers(bytes))];
    case 'small':
      return [createSmallFiles(100_000)];
    case 'layers':
      return createManyLayers(500);
    case 'huge':
      return [[createHugeFile('huge', 6 * gibibyte)]];
    case 'stack':
      return createMachineLayers(bytes, true);
    case 'hidden':
      return [
        [createHugeFile('hidden', 4 * gibibyte), createFile('kept', Buffer.from('kept\n'))],
        [createWhiteout('hidden')],
      ];
  }
}

/** How much of the whole each lower layer holds: a large base, then what is installed on it. */
const shares = [0.4, 0.25, 0.15, 0.1, 0.1];

/** `apart`: without hardlinks between layers, and without the few large files that make layers of very different sizes. */
function createMachineLayers(bytes: number, apart = false): readonly Items[] {
  const found = selectFiles({ ...anyFiles, bytes, ...(apart && { largestFile: 20_000_000 }) });
  const total = found.reduce((sum, each) => sum + each.status.size, 0);
  if (total < 0.9 * bytes)
    throw new Error(`this machine has only ${total} bytes of suitable files, not ${bytes}`);
  const layers: Item[][] = [];
  const seen = new Map<number, string>();
  let position = 0;
  let sum = 0;
  let bound = 0;
  for (const [index, share] of shares.entries()) {
    const start = position;
    bound += share * total;
    while (position < found.length && (sum < bound || index === shares.length - 1))
      sum += found[position++]!.status.size;
    layers.push(createItems(found.slice(start, position), undefined, apart ? new Map() : seen));
  }
  const top = createTopLayer(layers);
  return [...layers, apart ? top.filter(({ entry }) => entry.type !== 'hardlink') : top];
}

/**
 * What a build step on top leaves behind. Only plain files with one name are replaced or deleted: then there is no doubt
 * what the peers, each with merge rules of its own, make of it.
 */
function createTopLayer(layers: readonly Items[]): Item[] {
  const entries = layers.flat().map(item => item.entry);
  const linked = new Set(entries.filter(entry => entry.type === 'hardlink').map(entry => entry.linkpath));
  const isPlain = ({ entry }: Item) => entry.type === 'file' && entry.size > 0 && !linked.has(entry.path);
  const hidden = findPlainDirectory(layers, isPlain);
  const plain = layers.flat().filter(item => isPlain(item) && path.posix.dirname(item.entry.path) !== hidden);
  // Classes that do not meet: none of these files is touched twice.
  const everyHundredth = (phase: number) => plain.filter((_, index) => index % 100 === phase);

  const sources = everyHundredth(50);
  return [
    ...['app', 'app/lib'].map(directory => createItem({ type: 'directory', path: directory })),
    ...everyHundredth(3)
      .slice(0, sources.length)
      .map(({ entry: { path: replaced, mode } }, index) => {
        const { entry, content } = sources[index]!;
        return createItem({ ...entry, path: replaced, mode }, content);
      }),
    ...[...everyHundredth(10), ...everyHundredth(11)].map(({ entry }) => createWhiteout(entry.path)),
    ...everyHundredth(20).map(({ entry }, index) =>
      createItem({ ...entry, type: 'hardlink', size: 0, path: `app/lib/${index}`, linkpath: entry.path }),
    ),
    createOpaque(hidden),
    createFile(`${hidden}/only`, Buffer.from('What lay here is hidden by an opaque whiteout.\n')),
  ];
}

/** The directory with the most entries among those that hold nothing but plain files. */
function findPlainDirectory(layers: readonly Items[], isPlain: (item: Item) => boolean): string {
  const counts = new Map<string, number>();
  for (const item of layers.flat()) {
    const parent = path.posix.dirname(item.entry.path);
    counts.set(parent, isPlain(item) ? (counts.get(parent) ?? 0) + 1 : Number.NaN);
  }
  const [first] = [...counts].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  if (first === undefined) throw new Error('no directory of plain files among those chosen');
  return first[0];
}

/** Private to this user: what lies in a shared temporary directory under a known name may be anybody's. */
function cacheDirectory(): string {
  const directory = path.join(os.tmpdir(), `shale-bench-${process.geteuid?.() ?? 'user'}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const status = lstatSync(directory);
  if (!status.isDirectory() || (process.geteuid && status.uid !== process.geteuid())) {
    throw new Error(`${directory} belongs to somebody else`);
  }
  return directory;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      compression: { type: 'string', default: 'gzip' },
      bytes: { type: 'string', default: '1050000000' },
    },
  });
  for (const recipe of positionals.length > 0 ? positionals : ['machine', 'merged']) {
    const image = await provideImage(
      recipe as Recipe,
      values.compression as LayerCompression['algorithm'],
      Number(values.bytes),
    );
    console.log(recipe, image);
  }
}
