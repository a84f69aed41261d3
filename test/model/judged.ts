import { createRecord, type LayerRecord, type Stack } from './record.ts';

export interface JudgedCase {
  /** Begins with the number of the rule that decides. */
  readonly title: string;
  readonly stack: Stack;
  /** Below the root: path, a directory's mode or another's type, what a file came from, a target, several names. */
  readonly paths: readonly string[] | 'rejected';
  /** By code; none where absent. */
  readonly warnings?: Readonly<Record<string, number>>;
}

const file = (path: string, content: string): LayerRecord =>
  createRecord({ type: 'file', path, content, size: 1 });
const directory = (path: string): LayerRecord => createRecord({ type: 'directory', path, mode: 0o700 });
const symlink = (path: string, linkpath: string): LayerRecord =>
  createRecord({ type: 'symlink', path, linkpath });
const hardlink = (path: string, linkpath: string): LayerRecord =>
  createRecord({ type: 'hardlink', path, linkpath });
const device = (path: string, minor: number): LayerRecord => createRecord({ type: 'character', path, minor });
const chain = (links: number): LayerRecord[] => [
  ...Array.from({ length: links }, (_, index) => symlink(`l${index}`, `l${index + 1}`)),
  directory(`l${links}`),
  file('l0/x', 'x'),
];

/** Cases whose outcome was read off the contract by a person, so that model and engine cannot be wrong alike in them. */
export const judged: readonly JudgedCase[] = [
  {
    title: '1: spellings of one path',
    stack: [[file('./a//./b/c', '1'), file('//a/b/d', '2'), directory('/a/')]],
    paths: ['/a 700', '/a/b 755', '/a/b/c file 1', '/a/b/d file 2'],
  },
  { title: '1: a climbing path', stack: [[file('a/../b', '1')]], paths: 'rejected' },
  { title: '1: a climbing hardlink', stack: [[file('b', '1'), hardlink('c', 'a/../b')]], paths: 'rejected' },
  { title: '1: no name', stack: [[file('', '1')]], paths: 'rejected' },
  { title: '1: NUL in a name', stack: [[file('a\0b', '1')]], paths: 'rejected' },
  {
    title: '2: a whiteout spares its own layer, whatever the order',
    stack: [
      [file('a', '1'), file('b', '1')],
      [file('a', '2'), file('.wh.a', ''), file('.wh.b', ''), file('b', '2')],
    ],
    paths: ['/a file 2', '/b file 2'],
  },
  {
    title: '2: a whiteout and a new directory hide what the old one held',
    stack: [[file('d/old', '1')], [file('d/new', '2'), directory('.wh.d')]],
    paths: ['/d 755', '/d/new file 2'],
  },
  { title: '2: a whiteout makes no parents', stack: [[file('a/b/.wh.c', '')]], paths: [] },
  {
    title: "2: a whiteout's parent is reached through a symlink below, itself deleted by the same layer",
    stack: [
      [symlink('s', 'd'), file('d/x', '1'), file('d/y', '1')],
      [file('.wh.s', ''), file('s/.wh.x', '')],
    ],
    paths: ['/d 755', '/d/y file 1'],
  },
  {
    title: '2: but not where its own layer has a directory',
    stack: [
      [symlink('s', 'd'), file('d/x', '1')],
      [file('s/.wh.x', ''), directory('s')],
    ],
    paths: ['/d 755', '/d/x file 1', '/s 700'],
  },
  {
    title: '2: nor where one lands that is spelled through another symlink below',
    stack: [
      [symlink('s', 'd'), file('d/x', '1'), symlink('r', '.')],
      [file('s/.wh.x', ''), directory('r/s')],
    ],
    paths: ['/d 755', '/d/x file 1', '/r symlink -> "."', '/s 700'],
  },
  {
    title: '3: opaque keeps the directory and what its own layer puts there',
    stack: [
      [directory('d'), file('d/old', '1')],
      [file('d/new', '2'), file('d/.wh..wh..opq', '')],
    ],
    paths: ['/d 700', '/d/new file 2'],
  },
  {
    title: '3: opaque root',
    stack: [[file('a/b', '1')], [file('.wh..wh..opq', ''), file('c', '2')]],
    paths: ['/c file 2'],
  },
  {
    title: '3: AUFS metadata and what stands below it',
    stack: [
      [directory('.wh..wh.plnk'), file('.wh..wh.plnk/1.2', '1'), file('.wh..wh.aufs', '1'), file('a', '1')],
    ],
    paths: ['/a file 1'],
  },
  ...['.wh.', '.wh..', '.wh...', 'a/.wh.b/c', '.wh.b/c'].map(
    (path): JudgedCase => ({ title: `3: ${path}`, stack: [[file(path, '')]], paths: 'rejected' }),
  ),
  {
    title: '4: a directory over a directory, and a file over a directory',
    stack: [
      [file('d/x', '1'), file('e/x', '1')],
      [directory('d'), file('d/y', '2'), file('e', '2')],
    ],
    paths: ['/d 700', '/d/x file 1', '/d/y file 2', '/e file 2'],
  },
  { title: '4: a root that is a file', stack: [[file('./', '1')]], paths: 'rejected' },
  {
    title: '5: the last of two files',
    stack: [[file('a', '1'), hardlink('b', 'a'), file('a', '2')]],
    paths: ['/a file 2', '/b file 1'],
  },
  {
    title: '6: a link keeps the inode of a name that is replaced and deleted',
    stack: [[file('a', '1')], [hardlink('b', 'a'), hardlink('c', 'a'), file('a', '2')], [file('.wh.a', '')]],
    paths: ['/b file 1 names /b /c', '/c file 1 names /b /c'],
  },
  {
    title: '6: a link to what its own layer whites out',
    stack: [[file('d/a', '1')], [file('.wh.d', ''), hardlink('b', 'd/a')]],
    paths: ['/b file 1'],
  },
  {
    title: '6: the own file goes before the one below',
    stack: [[file('a', '1')], [file('.wh.a', ''), file('a', '2'), hardlink('b', 'a')]],
    paths: ['/a file 2 names /a /b', '/b file 2 names /a /b'],
  },
  {
    title: '6: parents of the target are followed, its last name is not',
    stack: [[symlink('s', '/d'), symlink('d/l', 'nowhere'), hardlink('h', 's/l')]],
    paths: [
      '/d 755',
      '/d/l symlink -> "nowhere" names /d/l /h',
      '/h symlink -> "nowhere" names /d/l /h',
      '/s symlink -> "/d"',
    ],
  },
  {
    title: '6: a link to a device',
    stack: [[device('a', 3), hardlink('b', 'a')]],
    paths: ['/a character names /a /b', '/b character names /a /b'],
  },
  { title: '6: a link to nothing', stack: [[hardlink('b', 'a')]], paths: 'rejected' },
  {
    title: '6: a link to what comes later',
    stack: [[hardlink('b', 'a'), file('a', '1')]],
    paths: 'rejected',
  },
  { title: '6: a link to a directory', stack: [[directory('a'), hardlink('b', 'a')]], paths: 'rejected' },
  { title: '6: a link to the root', stack: [[hardlink('b', '/')]], paths: 'rejected' },
  {
    title: '7: parents that are missing, symlinks, dangling, climbing',
    stack: [[symlink('s', '../../x/y')], [file('s/f', '2'), file('m/f', '2')]],
    paths: ['/m 755', '/m/f file 2', '/s symlink -> "../../x/y"', '/x 755', '/x/y 755', '/x/y/f file 2'],
  },
  {
    title: '7: a file below gives way to a directory',
    stack: [[file('a', '1')], [file('a/b', '2')]],
    paths: ['/a 755', '/a/b file 2'],
    warnings: { 'parent-replaced': 1 },
  },
  {
    title: '7: a file of the same layer does not',
    stack: [[file('a', '1'), file('a/b', '1')]],
    paths: 'rejected',
  },
  {
    title: '7: nor does a name that the same layer linked to a file below',
    stack: [[file('a', '1')], [hardlink('b', 'a'), file('b/c', '2')]],
    paths: 'rejected',
  },
  {
    title: '7: what a whiteout deleted is no parent any more',
    stack: [
      [symlink('s', 'd'), directory('d')],
      [file('s/f', '2'), file('.wh.s', '')],
    ],
    paths: ['/d 700', '/s 755', '/s/f file 2'],
  },
  {
    title: '7: a directory entry replaces a symlink from there on',
    stack: [[symlink('s', 'd')], [file('s/1', '2'), directory('s'), file('s/2', '2')]],
    paths: ['/d 755', '/d/1 file 2', '/s 700', '/s/2 file 2'],
  },
  {
    title: '7: forty links',
    stack: [chain(40)],
    paths: [
      ...Array.from({ length: 40 }, (_, index) => `/l${index} symlink -> "l${index + 1}"`),
      '/l40 700',
      '/l40/x file x',
    ].sort(),
  },
  { title: '7: forty-one links', stack: [chain(41)], paths: 'rejected' },
  {
    title: '7: a loop',
    stack: [[symlink('a', 'b'), symlink('b', 'a'), file('a/x', '1')]],
    paths: 'rejected',
  },
  {
    title: '7: a loop below that the layer itself takes away',
    stack: [[symlink('a', 'a')], [file('.wh.a', ''), directory('a/x')]],
    paths: ['/a 755', '/a/x 700'],
  },
  {
    title: '6: the target is looked up before the parents of the link come into being',
    stack: [[file('a', '1')], [hardlink('a/b', 'a')]],
    paths: ['/a 755', '/a/b file 1'],
    warnings: { 'parent-replaced': 1 },
  },
  {
    title: '10: a 0:0 device is not there',
    stack: [[file('a', '1')], [device('a', 0), device('b', 0)]],
    paths: ['/a file 1'],
    warnings: { 'whiteout-device': 2 },
  },
  {
    title: '10: nor is a hardlink to one, whatever else the path names below (the contract is silent)',
    stack: [[file('b', '1')], [device('b', 0), hardlink('a', 'b'), hardlink('c', 'a')]],
    paths: ['/b file 1'],
    warnings: { 'whiteout-device': 3 },
  },
];
