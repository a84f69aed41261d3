import path from 'node:path';
import { createFile, createItem, createOpaque, createWhiteout, type Item, type Items } from '../item.ts';
import { createItems, type Found, listTree } from '../machine.ts';
import type { Packages } from './packages.ts';

/**
 * Five images such as GPU and machine learning programs come in, each over 1 GB, and a sixth that differs from `torch` in
 * its last layer alone:
 *
 *     cuda      nearly everything in one layer of CUDA libraries
 *     torch     seven layers: Python, MKL, CUDA, PyTorch, an application
 *     science   Python packages with their tests and compiled modules, some hundred thousand small files
 *     many      a layer for each of some thirty packages: compilers, libraries, PyTorch
 *     rebuilt   whose upper layers delete the tests and the documentation, change owners (and so hold files again), replace a library
 *     torch-next
 */
export const recipes = ['cuda', 'torch', 'science', 'many', 'rebuilt', 'torch-next'] as const;
export type Recipe = (typeof recipes)[number];

/** Raise when a recipe makes something else. */
export const recipesVersion = 1;

const system = [
  ...[
    'apt',
    'base-files',
    'bash',
    'bsdutils',
    'coreutils',
    'dash',
    'debianutils',
    'diffutils',
    'dpkg',
    'findutils',
  ],
  ...[
    'grep',
    'gzip',
    'libapt-pkg6.0',
    'libc-bin',
    'libc6',
    'libgcc-s1',
    'libicu72',
    'libncursesw6',
    'libpcre2-8-0',
  ],
  ...[
    'libssl3',
    'libstdc++6',
    'libsystemd0',
    'login',
    'mount',
    'openssl',
    'passwd',
    'perl-base',
    'sed',
    'tar',
    'tzdata',
  ],
  ...['util-linux', 'zlib1g'],
];
const python = [
  'libpython3.11',
  'libpython3.11-minimal',
  'libpython3.11-stdlib',
  'python3-pip',
  'python3-setuptools',
];
const numeric = [
  ...['libopenblas0-pthread', 'liblapack3', 'python3-numpy', 'python3-pandas', 'python3-pandas-lib'],
  ...['python3-scipy', 'python3-sklearn', 'python3-sklearn-lib'],
];
const mkl = [
  ...[
    'libmkl-avx2',
    'libmkl-avx512',
    'libmkl-core',
    'libmkl-def',
    'libmkl-intel-lp64',
    'libmkl-intel-thread',
  ],
  'libmkl-rt',
];
const torch = ['libtorch1.13', 'python3-torch', 'python3-torchaudio', 'python3-torchvision'];
const torchCuda = ['libcudart11.0', 'libcufft10', 'libcupti11.8', 'libcurand10', 'libnvrtc11.2'];
const frames = [
  ...[
    'python3-matplotlib',
    'python3-plotly',
    'python3-skimage',
    'python3-skimage-lib',
    'python3-statsmodels',
  ],
  ...['python3-statsmodels-lib', 'python3-sympy'],
];
const replaced = 'libcusolver11';
const replacing = 'libcusolvermg11';

type Layer = readonly string[];
const packagesOf: Record<Recipe, readonly Layer[]> = {
  cuda: [
    system,
    python,
    [...['libcublas11', 'libcublaslt11', 'libcudart11.0', 'libcurand10', 'libcusolver11'], 'libcusparse11'],
  ],
  torch: [system, python, numeric, mkl, torchCuda, torch, ['python3-django', 'python3-plotly']],
  'torch-next': [system, python, numeric, mkl, torchCuda, torch, ['python3-botocore', 'python3-sqlalchemy']],
  science: [
    system,
    [...python, 'libpython3.11-testsuite'],
    numeric,
    [
      ...frames,
      ...['python3-astropy', 'python3-botocore', 'python3-dask', 'python3-distributed', 'python3-django'],
      ...['python3-gensim', 'python3-h5py-serial', 'python3-networkx', 'python3-nltk', 'python3-notebook'],
      ...[
        'python3-numba',
        'python3-pyside2.qtwidgets',
        'python3-spyder',
        'python3-sqlalchemy',
        'python3-tables',
      ],
      ...['python3-tables-lib', 'python3-tornado', 'python3-twisted', 'python3-vtk9', 'python3-xarray'],
    ],
    ['libvtk9.1', 'libjs-mathjax', 'libboost1.74-dev', 'golang-1.19-src'],
  ],
  many: [
    system,
    ...[...python, ...numeric, ...mkl, ...torch].map(name => [name]),
    ...[...['libllvm14', 'libllvm15', 'libllvm16'], 'libclang-cpp14', 'libclang-cpp16'].map(name => [name]),
    ...['cpp-12', 'gcc-12', 'g++-12', 'libstdc++-12-dev', 'libstd-rust-1.63', 'cargo'].map(name => [name]),
  ],
  rebuilt: [system, python, numeric, ['libcusparse11', replaced], frames, [replacing]],
};

/** The packages that `recipe` is made of. */
export function listPackages(recipe: Recipe): readonly string[] {
  return packagesOf[recipe].flat();
}

/** The image's layers; the packages have been provided. */
export function createLayers(recipe: Recipe, packages: Packages): readonly Items[] {
  const layers = packagesOf[recipe].map(names => createPackageLayer(names, packages));
  layers[0] = [...createLinks(), ...layers[0]!];
  if (recipe !== 'rebuilt') return layers;
  const [base, interpreter, numbers, cuda, modules, other] = layers as Item[][];
  const tests = findTests([...numbers!, ...modules!]);
  const isTest = ({ entry }: Item) =>
    tests.some(test => entry.path === test || entry.path.startsWith(`${test}/`));
  return [
    ...[base!, interpreter!, numbers!, cuda!, modules!],
    [
      ...createParents([...tests, 'usr/share/doc']),
      ...tests.map(createWhiteout),
      createItem({ type: 'directory', path: 'usr/share/doc' }),
    ].concat(
      createOpaque('usr/share/doc'),
      createFile('usr/share/doc/README', Buffer.from('The documentation was removed.\n')),
    ),
    // What `RUN chown -R` makes of a layer.
    numbers!
      .filter(item => !isTest(item) && !item.entry.path.startsWith('usr/share/doc'))
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
