import path from 'node:path';
import { createFile, createItem, createOpaque, createWhiteout, type Item, type Items } from '../item.ts';
import { createItems, type Found, listTree } from '../machine.ts';
import type { Packages } from './packages.ts';
import { layersOf, type Recipe } from './recipe.ts';

const documentation = 'usr/share/doc';

/** The image's layers; the packages have been provided. */
export function createLayers(recipe: Recipe, packages: Packages): readonly Items[] {
  const layers = layersOf[recipe].map(names => createPackageLayer(names, packages));
  layers[0] = [...createLinks(), ...layers[0]!];
  if (recipe !== 'rebuilt') return layers;
  const [base, interpreter, numbers, cuda, modules, other] = layers as Item[][];
  const tests = findTests([...numbers!, ...modules!]);
  const isTest = ({ entry }: Item) =>
    tests.some(test => entry.path === test || entry.path.startsWith(`${test}/`));
  return [
    ...[base!, interpreter!, numbers!, cuda!, modules!],
    [
      ...createParents([...tests, documentation]),
      ...tests.map(createWhiteout),
      createItem({ type: 'directory', path: documentation }),
      createOpaque(documentation),
      createFile(`${documentation}/README`, Buffer.from('The documentation was removed.\n')),
    ],
    // What `RUN chown -R` makes of a layer.
    numbers!
      .filter(item => !isTest(item) && !item.entry.path.startsWith(`${documentation}/`))
      .map(item => ({ ...item, entry: { ...item.entry, uid: 1000, gid: 1000 } })),
    replaceLibrary(cuda!, other!),
  ];
}

function createPackageLayer(names: readonly string[], packages: Packages): Item[] {
  const roots = new Map<Found, string>();
  for (const name of names)
    for (const found of listTree(packages.tree(name))) roots.set(found, packages.tree(name));
  const places = new Map(
    [...roots].map(([{ file }, root]) => [file, placeMerged(path.relative(root, file))]),
  );
  const found = [...roots.keys()].sort((a, b) => (places.get(a.file)! < places.get(b.file)! ? -1 : 1));
  return createItems(found, file => places.get(file)!);
}

/** /bin, /lib and the like are links into /usr in every Debian since 12; its packages still name them. */
const merged = ['bin', 'lib', 'lib64', 'sbin'];

function placeMerged(file: string): string {
  return merged.includes(file.split('/', 1)[0]!) ? `usr/${file}` : file;
}

function createLinks(): Item[] {
  return merged.map(name =>
    createItem({ type: 'symlink', path: name, linkpath: `usr/${name}`, mode: 0o777 }),
  );
}

/** The outermost directories of tests. */
function findTests(items: Items): string[] {
  const found = items
    .filter(({ entry }) => entry.type === 'directory')
    .map(({ entry }) => /^(.*?\/tests?)(\/|$)/.exec(entry.path)?.[1]);
  return [...new Set(found.filter(test => test !== undefined))].sort();
}

function createParents(paths: readonly string[]): Item[] {
  const parents = new Set<string>();
  for (const each of paths) {
    const parts = each.split('/');
    for (let length = 1; length < parts.length; length++) parents.add(parts.slice(0, length).join('/'));
  }
  return [...parents].sort().map(parent => createItem({ type: 'directory', path: parent }));
}

/** The largest file of `below` again, with the bytes of the largest of `other`. */
function replaceLibrary(below: Items, other: Items): Item[] {
  const largest = (items: Items) => items.toSorted((a, b) => b.entry.size - a.entry.size)[0]!;
  const target = below.filter(({ entry }) => entry.path.includes('cusolver'));
  const { entry } = largest(target);
  const source = largest(other);
  const item: Item = { ...source, entry: { ...entry, size: source.entry.size } };
  return [...createParents([entry.path]), item];
}
