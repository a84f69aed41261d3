import type { Random } from './random.ts';
import { createRecord, type LayerRecord } from './record.ts';

const names = ['a', 'b', 'c', 'd'];
// Halves of a second: what a JavaScript number can hand to utimensat without rounding.
const times = [0, 500_000_000].flatMap(nanoseconds =>
  [1_000_000_000, 1_700_000_000].map(seconds => ({ seconds, nanoseconds })),
);

/**
 * A stack that OverlayFS can hold layer by layer: every parent has an entry in its own layer, none is reached through
 * a symlink, hardlinks stay within their layer, the root is never opaque, and no path is given twice. Whiteouts and
 * opaques, with and without something new in the same place, are everywhere; their order in the stream is random.
 */
export function createTameStack(random: Random): LayerRecord[][] {
  const count = 2 + random.integer(4);
  return Array.from({ length: count }, (_, layer) => createTameLayer(random, layer));
}

function createTameLayer(random: Random, layer: number): LayerRecord[] {
  const records: LayerRecord[] = [
    createRecord({ ...createMetadata(random, 'directory'), type: 'directory', path: './' }),
  ];
  const whiteouts: LayerRecord[] = [];
  const links: LayerRecord[] = [];
  const fill = (prefix: string, depth: number): void => {
    if (depth > 0 && random.chance(0.2)) {
      whiteouts.push(createRecord({ type: 'file', path: `${prefix}.wh..wh..opq` }));
    }
    for (const name of names) {
      const path = prefix + name;
      if (random.chance(0.25)) whiteouts.push(createRecord({ type: 'file', path: `${prefix}.wh.${name}` }));
      if (random.chance(0.5)) continue;
      const files = records.filter(record => record.type === 'file');
      if (depth < 3 && random.chance(0.5)) {
        records.push(createRecord({ ...createMetadata(random, 'directory'), type: 'directory', path }));
        fill(`${path}/`, depth + 1);
      } else if (files.length > 0 && random.chance(0.25)) {
        links.push(createRecord({ type: 'hardlink', path, linkpath: random.pick(files).path }));
      } else {
        records.push(createLeaf(random, path, `${layer}/${path}`));
      }
    }
  };
  fill('', 0);
  const all = [...records, ...links];
  for (const whiteout of whiteouts) all.splice(random.integer(all.length + 1), 0, whiteout);
  return all;
}

function createLeaf(random: Random, path: string, content: string): LayerRecord {
  const type = random.pick(['file', 'file', 'file', 'symlink', 'character', 'fifo'] as const);
  const meta = createMetadata(random, type);
  if (type === 'file') return createRecord({ ...meta, type, path, content, size: content.length });
  if (type === 'symlink')
    return createRecord({ ...meta, type, path, mode: 0o777, linkpath: random.pick(names) });
  if (type === 'fifo') return createRecord({ ...meta, type, path });
  return createRecord({ ...meta, type, path, major: 1, minor: random.integer(5) });
}

function createMetadata(
  random: Random,
  type: LayerRecord['type'],
): Pick<LayerRecord, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'> {
  // Only files and directories may carry user attributes on Linux.
  const name = type === 'file' || type === 'directory' ? random.pick(['user.a', 'trusted.a']) : 'trusted.a';
  return {
    mode: random.pick([0o755, 0o644, 0o4711, 0o1777]),
    uid: random.pick([0, 1000, 70000]),
    gid: random.pick([0, 5]),
    mtime: random.pick(times),
    xattrs: new Map(random.chance(0.3) ? [[name, Buffer.from(random.pick(['1', '\0\xff']), 'latin1')]] : []),
  };
}
