import type { Random } from '../model/random.ts';
import { createRecord, type LayerRecord } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { createWildStack } from '../model/wild.ts';

/** Random stacks whose every inode a Linux filesystem can hold; `tall`: 520 layers. */
export function createStack(flavour: 'wild' | 'tame' | 'tall', random: Random): LayerRecord[][] {
  if (flavour === 'tall') return createTallStack(random);
  const stack = flavour === 'wild' ? createWildStack(random) : createTameStack(random);
  return stack.map(layer => layer.map(settle));
}

function settle(record: LayerRecord): LayerRecord {
  const { type, uid, size, content, xattrs } = record;
  // Linux keeps no user.* on what is neither file nor directory, wants capabilities in its own form, and takes -1 for "as it is".
  const user = type === 'file' || type === 'directory';
  const kept = [...xattrs].filter(
    ([name]) => name.startsWith('trusted.') || (user && name.startsWith('user.')),
  );
  return {
    ...record,
    uid: uid === 0xffffffff ? 0xfffffffe : uid,
    size: type === 'file' && size > 0 ? content.length : 0,
    // A symlink's own mode is not kept.
    mode: type === 'symlink' ? 0o777 : record.mode,
    xattrs: new Map(kept),
  };
}

/** More layers than the kernel stacks, each with a file more and now and then one less; some empty. */
function createTallStack(random: Random): LayerRecord[][] {
  return Array.from({ length: 520 }, (_, layer) => {
    if (random.chance(0.01)) return [];
    const content = `${layer}`.repeat(1 + random.integer(3));
    const records = [
      createRecord({ type: 'directory', path: `d${layer % 7}`, mode: 0o700 + (layer % 8) }),
      createRecord({ type: 'file', path: `d${layer % 7}/f${layer}`, content, size: content.length }),
    ];
    const gone = random.integer(layer + 1);
    if (random.chance(0.3)) records.push(createRecord({ type: 'file', path: `d${gone % 7}/.wh.f${gone}` }));
    return records;
  });
}
