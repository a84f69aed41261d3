import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { BenchImage } from '../image.ts';
import { run } from '../pull/packages.ts';
import { findLayers, listLayers } from './layout.ts';
import type { Contender } from './race.ts';

/**
 * What is compared. Everything is on the disk when the clock stops: Shale sees to that itself, of its peers `sync` is asked. Shale
 * alone verifies digests and diffIDs.
 */
export const shale = `${process.execPath} ${path.join(import.meta.dirname, '..', '..', 'bin', 'shale.js')}`;

/** A recent mkfs.erofs, see test/erofs-tools.ts; the one of Debian 12 reads no tars. */
export type Mkfs = string;

const extract = "tar -x -p --numeric-owner --xattrs --xattrs-include='*'";

/** `render` of Shale into something called `out`. */
export function render(name: string, source: string, target: string, options = ''): Contender {
  const command = `${shale} render ${source} ${target} ${options} --quiet`.replace(/ +/g, ' ');
  return { name, needs: [], command: () => command };
}

/** One large layer: what converts it, and what unpacks it. */
export function convertLayer(image: BenchImage, mkfs: Mkfs): readonly Contender[] {
  const layer = findLayers(image)[0]!;
  const source = `oci:${image.directory}`;
  const inflate = `igzip -dc < ${layer}`;
  const needs = ['igzip'];
  return [
    render('shale, layer', source, 'out', '--layers --root cache'),
    render('shale, flat', source, 'out.erofs'),
    render('shale, tar-index', source, 'out', '--tar-index --root cache'),
    {
      name: 'mkfs.erofs',
      needs: [...needs, mkfs],
      command: () => `${inflate} | ${mkfs} --quiet --tar=f --aufs out.erofs && sync out.erofs`,
    },
    {
      name: 'mkfs.erofs -Enoinline_data',
      needs: [...needs, mkfs],
      command: () =>
        `${inflate} | ${mkfs} --quiet --tar=f --aufs -Enoinline_data out.erofs && sync out.erofs`,
    },
    {
      name: 'tar -x',
      needs: [...needs, 'tar'],
      command: () => `mkdir out && ${inflate} | ${extract} -C out && sync -f out`,
    },
    { name: 'inflate and write', needs, command: () => `${inflate} > out.tar && sync out.tar` },
  ];
}

/** An image of several layers: all forms, and what peers have to offer. */
export function convertImage(image: BenchImage, mkfs: Mkfs): readonly Contender[] {
  const source = `oci:${image.directory}`;
  const count = findLayers(image).length;
  const compressed = ['lz4', 'zstd'].map(name =>
    render(`shale, flat, ${name}`, source, 'out.erofs', `--compression ${name}`),
  );
  const all = Array.from({ length: count }, (_, index) => `${index}.erofs`).join(' ');
  return [
    render('shale, flat', source, 'out.erofs'),
    ...compressed,
    render('shale, layers', source, 'out', '--layers --root cache'),
    render('shale, merged', source, 'out', '--layers --merged --root cache'),
    render('shale, tar-index', source, 'out', '--tar-index --root cache'),
    render('shale, tar-index, merged', source, 'out', '--tar-index --merged --root cache'),
    render('shale, squashfs, zstd', source, 'out.sqfs', '--compression zstd'),
    eachLayer('mkfs.erofs', image, [mkfs], `${mkfs} --quiet --tar=f --aufs $0.erofs`, 'sync *.erofs', 1),
    eachLayer(
      'mkfs.erofs, two at once',
      image,
      [mkfs],
      `${mkfs} --quiet --tar=f --aufs $0.erofs`,
      'sync *.erofs',
      2,
    ),
    eachLayer(
      // It merges no images with inline data.
      'mkfs.erofs, two at once, then merged',
      image,
      [mkfs],
      `${mkfs} --quiet --tar=f --aufs -Enoinline_data $0.erofs`,
      `${mkfs} --quiet --ovlfs-strip=1 merged.erofs ${all} && sync *.erofs`,
      2,
    ),
    eachLayer('tar -x', image, ['tar'], `(mkdir $0 && ${extract} -C $0)`, 'sync -f .', 1),
    eachLayer('tar -x, two at once', image, ['tar'], `(mkdir $0 && ${extract} -C $0)`, 'sync -f .', 2),
  ];
}

/** What the tar index is measured by: the layers inflated and written, and nothing else. */
export function indexTars(image: BenchImage, mkfs: Mkfs): readonly Contender[] {
  const source = `oci:${image.directory}`;
  return [
    render('shale, tar-index', source, 'out', '--tar-index --root cache'),
    render('shale, tar-index, merged', source, 'out', '--tar-index --merged --root cache'),
    eachLayer('inflate and write, two at once', image, [], 'cat > $0.tar', 'sync *.tar', 2),
    eachLayer('inflate and write', image, [], 'cat > $0.tar', 'sync *.tar', 1),
    eachLayer(
      'inflate and write, mkfs.erofs --tar=i, two at once',
      image,
      [mkfs],
      `cat > $0.tar && ${mkfs} --quiet --tar=i --aufs $0.erofs $0.tar`,
      'sync *.tar *.erofs',
      2,
    ),
  ];
}

/** Where images of `createFollowers` are made of what is cached: `--root` with all forms of the image that they follow. */
export interface Followers {
  readonly directory: string;
  readonly cache: string;
  readonly rounds: number;
}

export const stackForms = ['--layers', '--layers --merged', '--tar-index', '--tar-index --merged'] as const;
const nameOf = (form: string) => form.replaceAll('--', '').replace(' ', ', ');

/** Where the followers begin that neither `changeLayer` nor `mergeCached` takes. */
export const unusedFollower = (rounds: number) => (stackForms.length + 2) * (rounds + 1);

/** The last of the layers has changed; all that is cached is what came before. */
export function changeLayer(image: BenchImage, followers: Followers): readonly Contender[] {
  return stackForms.flatMap((form, index): Contender[] => [
    render(`shale, ${nameOf(form)}, all`, `oci:${image.directory}`, 'out', `${form} --root cache`),
    {
      ...follow(`shale, ${nameOf(form)}, changed`, form, followers, index),
      prepare: once(() => fill(image, form, followers)),
    },
  ]);
}

/** All layers are there, and what they hold is known: only the metadata of the whole is missing. */
export function mergeCached(image: BenchImage, followers: Followers, mkfs: Mkfs): readonly Contender[] {
  const layers = `${followers.cache}.mkfs`;
  const all = findLayers(image).map((_, index) => `${layers}/${index}.erofs`);
  const merging = (form: string, index: number): Contender => {
    const begin = once(() => fill(image, form, followers));
    const contender = follow(`shale, ${nameOf(form)}, layers cached`, `${form} --merged`, followers, index);
    return {
      ...contender,
      prepare(round, directory) {
        begin();
        run('bash', ['-c', follow('', form, followers, index).command(round).replace(' out ', ' layers ')], {
          cwd: directory,
        });
        rmSync(path.join(directory, 'layers'), { recursive: true });
      },
    };
  };
  return [
    render('shale, layers, merged, all', `oci:${image.directory}`, 'out', '--layers --merged --root cache'),
    merging('--layers', stackForms.length),
    merging('--tar-index', stackForms.length + 1),
    {
      name: 'mkfs.erofs, of its layers',
      needs: [mkfs],
      prepare: once(() => {
        empty(layers);
        for (const [index, layer] of findLayers(image).entries()) {
          const convert = `${mkfs} --quiet --tar=f --aufs -Enoinline_data ${all[index]}`;
          run('bash', ['-c', `set -o pipefail; igzip -dc < ${layer} | ${convert}`]);
        }
      }),
      command: () => `${mkfs} --quiet --ovlfs-strip=1 merged.erofs ${all.join(' ')} && sync merged.erofs`,
    },
    { name: 'shale --help', needs: [], command: () => `${shale} --help` },
  ];
}

/** No contender sees a follower that another has seen, or the same one twice. */
function follow(
  name: string,
  form: string,
  { directory, cache, rounds }: Followers,
  index: number,
): Contender {
  return {
    name,
    needs: [],
    command: round =>
      `${shale} render oci:${directory}:next-${round === 'N' ? round : index * (rounds + 1) + round} out ${form} --root ${cache} --quiet`,
  };
}

/** Leftovers of an earlier turn are of no use. */
export function empty(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
}

function fill(image: BenchImage, form: string, { cache }: Followers): void {
  const target = `${cache}.filled`;
  run('bash', ['-c', `${shale} render oci:${image.directory} ${target} ${form} --root ${cache} --quiet`]);
  rmSync(target, { recursive: true });
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}

function eachLayer(
  name: string,
  image: BenchImage,
  needs: readonly string[],
  command: string,
  after: string,
  width: number,
): Contender {
  const script = `set -o pipefail; igzip -dc < $1 | ${command}`.replaceAll("'", `'\\''`);
  return {
    name,
    needs: ['igzip', 'xargs', ...needs],
    files: { layers: listLayers(image) },
    command: () => `xargs -P ${width} -L 1 bash -c '${script}' < layers && ${after}`,
  };
}
