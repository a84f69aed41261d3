import type { LayerRecord, Stack } from './record.ts';

/** The smallest stack that still fails which leaving out layers, leaving out records and plainer fields lead to. */
export function shrink(stack: Stack, fails: (stack: Stack) => boolean): Stack {
  for (let smaller: Stack | undefined = stack; smaller !== undefined; ) {
    stack = smaller;
    smaller = undefined;
    for (const candidate of smallerThan(stack)) {
      if (!fails(candidate)) continue;
      smaller = candidate;
      break;
    }
  }
  return stack;
}

function* smallerThan(stack: Stack): Generator<Stack> {
  for (const index of stack.keys()) yield stack.toSpliced(index, 1);
  for (const [index, layer] of stack.entries()) {
    for (const position of layer.keys()) yield stack.with(index, layer.toSpliced(position, 1));
  }
  for (const [index, layer] of stack.entries()) {
    for (const [position, record] of layer.entries()) {
      for (const plainer of plainerThan(record)) yield stack.with(index, layer.with(position, plainer));
    }
  }
}

function* plainerThan(record: LayerRecord): Generator<LayerRecord> {
  const { mode, uid, gid, mtime, xattrs, path, linkpath } = record;
  if (xattrs.size > 0) yield { ...record, xattrs: new Map() };
  if (mode !== 0 || uid !== 0 || gid !== 0 || mtime.seconds !== 0 || mtime.nanoseconds !== 0) {
    yield { ...record, mode: 0, uid: 0, gid: 0, mtime: { seconds: 0, nanoseconds: 0 } };
  }
  const plain = path.replace(/\/\.?(?=\/|$)|^\.?\//g, '');
  if (plain.length < path.length && plain !== '') yield { ...record, path: plain };
  const straight = linkpath.replace(/\/\.?(?=\/|$)|^\.?\//g, '');
  if (straight.length < linkpath.length && straight !== '') yield { ...record, linkpath: straight };
}
