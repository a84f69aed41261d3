import { applyModel } from './model.ts';
import type { Random } from './random.ts';
import { createRecord, type LayerRecord } from './record.ts';

// Few names, so that they meet; with only two, links and whiteouts meet all the time.
const alphabets = [
  ['a', 'a', 'b', 'b', 'c', 'd'],
  ['a', 'b'],
];
const targets = [
  'a',
  'b',
  'c',
  'd',
  '../a',
  '../b',
  '/a',
  '/b',
  '/b/c',
  'a/b',
  'c/d',
  '../../../b',
  './c',
  'x',
  'x/y',
  '/x/y',
  '../x',
  'a/../b',
  'x/../b',
  '.',
  '..',
  '/',
  '//a//b',
  'd/',
  '../../c/./d/..',
];
const impossible = [
  '..',
  '../a',
  'a/../b',
  '',
  'a\0b',
  '.wh.',
  '.wh..',
  'a/.wh...',
  'a/.wh.b/c',
  '.wh..wh..opq/x',
];
const aufs = ['.wh..wh.plnk', '.wh..wh.plnk/1.2', '.wh..wh.aufs', 'a/.wh..wh.orph', '.wh..wh.plnk/.wh.a/b'];
const modes = [0o755, 0o644, 0o4755, 0o2775, 0o1777, 0];
const times = [
  { seconds: 0, nanoseconds: 0 },
  { seconds: 1_700_000_000, nanoseconds: 123_456_789 },
  { seconds: -1, nanoseconds: 999_999_999 },
  { seconds: 5_000_000_000, nanoseconds: 0 },
];
const xattrs: readonly (readonly [string, string])[] = [
  ['user.a', '1'],
  ['user.a', ''],
  ['user.b', '\xff\0'],
  ['security.capability', 'cap'],
  ['trusted.overlay', 'kept'],
  ['trusted.overlay.opaque', 'y'],
  ['trusted.overlay.redirect', '/a'],
  ['user.overlay.opaque', 'y'],
];

/**
 * Any stack of layers, the more names collide the better: whiteouts, opaques, hardlinks, symlinked parents, repeated
 * and odd paths in any order. Most that the contract rejects are grown again a few times, so that most are accepted.
 */
export function createWildStack(random: Random): LayerRecord[][] {
  const stack: LayerRecord[][] = [];
  const count = 1 + random.integer(6);
  const most = random.pick([3, 6, 12]);
  const names = random.pick(alphabets);
  const patience = random.chance(0.2) ? 0 : 5;
  while (stack.length < count) {
    const layer: LayerRecord[] = [];
    const length = random.integer(most + 1);
    while (layer.length < length) {
      let record = createWildRecord(random, names, stack, layer);
      for (let tries = 0; tries < patience && isRejected([...stack, [...layer, record]]); tries++) {
        record = createWildRecord(random, names, stack, layer);
      }
      layer.push(record);
    }
    stack.push(layer);
  }
  return stack;
}

function isRejected(stack: LayerRecord[][]): boolean {
  return applyModel(stack, { seconds: 0, nanoseconds: 0 }) === 'rejected';
}

function createWildRecord(
  random: Random,
  names: readonly string[],
  stack: LayerRecord[][],
  layer: LayerRecord[],
): LayerRecord {
  const content = `${stack.length}/${layer.length}`;
  const meta = createMetadata(random);
  const path = createPath(random, names, stack, layer);
  if (random.chance(0.01)) return createRecord({ ...meta, type: 'file', path: random.pick(impossible) });
  if (random.chance(0.005)) {
    const linkpath = random.pick(['', '..', 'a/../b', 'a\0b', '/']);
    const type = random.pick(['symlink', 'hardlink'] as const);
    return createRecord({ ...meta, type, path: random.pick([path, '.wh.a', ...aufs]), linkpath });
  }
  if (random.chance(0.02)) return createRecord({ ...meta, type: 'file', path: random.pick(aufs), content });
  const kind = random.integer(100);
  if (kind < 22) {
    const fields = { ...meta, type: 'file', path: spell(random, path), content } as const;
    return createRecord({ ...fields, size: random.integer(3) });
  }
  if (kind < 40) {
    const slash = random.pick(['', '/', '//', '/.']);
    return createRecord({ ...meta, type: 'directory', path: spell(random, path) + slash });
  }
  if (kind < 56) {
    const linkpath = random.pick(targets);
    return createRecord({ ...meta, type: 'symlink', path: spell(random, path), linkpath });
  }
  if (kind < 68) {
    const linkpath = createLinkTarget(random, names, stack, layer);
    return createRecord({ ...meta, type: 'hardlink', path: spell(random, path), linkpath });
  }
  if (kind < 80) {
    const type = random.pick(['file', 'file', 'character', 'directory', 'symlink'] as const);
    const at = path.lastIndexOf('/') + 1;
    const hidden = `${path.slice(0, at)}.wh.${path.slice(at)}`;
    return createRecord({ type, path: spell(random, hidden), linkpath: type === 'symlink' ? 'a' : '' });
  }
  if (kind < 87) {
    const directory = random.chance(0.2) ? '' : `${path}/`;
    return createRecord({ type: 'file', path: spell(random, `${directory}.wh..wh..opq`) });
  }
  if (kind < 90) {
    const root = random.pick(['./', '/', '.', '//', './.']);
    return createRecord({
      ...meta,
      type: random.chance(0.97) ? 'directory' : random.pick(['file', 'character']),
      path: root,
    });
  }
  if (kind < 93) return createRecord({ ...meta, type: 'fifo', path: spell(random, path) });
  return createRecord({
    ...meta,
    type: random.pick(['character', 'character', 'block']),
    path: spell(random, path),
    major: random.integer(2),
    minor: random.integer(2),
  });
}

/** Mostly a name that some record has given, whatever has become of it since; now and then any path at all. */
function createLinkTarget(
  random: Random,
  names: readonly string[],
  stack: LayerRecord[][],
  layer: LayerRecord[],
): string {
  const from = random.chance(0.5) ? layer : (stack[random.integer(stack.length)] ?? layer);
  const known = from.filter(record => record.type !== 'directory' && !record.path.includes('.wh.'));
  if (known.length === 0 || random.chance(0.15))
    return spell(random, createPath(random, names, stack, layer));
  return random.pick(known).path;
}

/** Any path, or one that was given before, or a name below that. */
function createPath(
  random: Random,
  names: readonly string[],
  stack: LayerRecord[][],
  layer: LayerRecord[],
): string {
  const known = random.pick([layer, ...stack]).filter(({ path }) => /^[a-d](\/[a-d])*$/.test(path));
  if (known.length > 0 && random.chance(0.4)) {
    const { path } = random.pick(known);
    return random.chance(0.5) ? path : `${path}/${random.pick(names)}`;
  }
  const depth = random.pick([1, 1, 2, 2, 3, 4]);
  return Array.from({ length: depth }, () => random.pick(names)).join('/');
}

/** Another way to write the same path. */
function spell(random: Random, path: string): string {
  if (random.chance(0.7)) return path;
  return random.pick(['', './', '/', '//', '/./']) + path.replaceAll('/', random.pick(['/', '//', '/./']));
}

function createMetadata(random: Random): Pick<LayerRecord, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'> {
  const attributes = random.chance(0.8) ? [] : [random.pick(xattrs), random.pick(xattrs)];
  return {
    mode: random.pick(modes),
    uid: random.pick([0, 1000, 0xffffffff]),
    gid: random.pick([0, 5, 70000]),
    mtime: random.pick(times),
    xattrs: new Map(attributes.map(([name, value]) => [name, Buffer.from(value, 'latin1')])),
  };
}
