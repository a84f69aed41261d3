import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Warnings } from '../../src/error/index.ts';
import { createLimits, type LayerIndex } from '../../src/layer/index.ts';
import { Merger, merge } from '../../src/merge/index.ts';
import { device, dir, fifo, file, layer, link, opq, symlink, wh, xattrs } from '../layer/dsl.ts';
import { created, inodeAt, mergeAll, mergeOptions, show } from './tree.ts';

function shows(layers: LayerIndex[], expected: string): void {
  assert.equal(show(mergeAll(...layers)), expected);
}

/** The newest layer is to blame. */
function rejects(layers: LayerIndex[], message: RegExp): void {
  assert.throws(
    () => mergeAll(...layers),
    (error: unknown) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, message);
      const { name, code, detail } = error as unknown as {
        name: string;
        code: string;
        detail: { layer: number };
      };
      assert.deepEqual(
        { name, code, layer: detail.layer },
        { name: 'MergeError', code: 'invalid', layer: layers.length - 1 },
      );
      return true;
    },
  );
}

test('no layers: an empty root', () => shows([], ''));

test('rule 2: a whiteout deletes from the layers below, with all that stands there', () => {
  shows([layer(file('a/b/c'), file('a/d')), layer(wh('a/b'))], 'a/ a/d@0.1');
  shows([layer(file('a')), layer(), layer(wh('a'))], '');
});

test('rule 2: never from its own layer, wherever it stands', () => {
  shows([layer(file('a')), layer(file('a'), wh('a'))], 'a@1.0');
  shows([layer(file('a')), layer(wh('a'), file('a'))], 'a@1.1');
  shows([layer(file('d/old')), layer(file('d/new'), wh('d'))], 'd/ d/new@1.0');
});

test('rule 2: it creates nothing, and one of nothing does nothing', () => {
  shows([layer(wh('a/b/c'), wh('x'))], '');
  shows([layer(file('a')), layer(wh('a/b'))], 'a@0.0');
});

test('rule 2: its parent may be reached through a symlink below', () => {
  shows([layer(file('d/f'), symlink('s', 'd')), layer(wh('s/f'))], 'd/ s->d');
  shows([layer(file('d/f'), symlink('x/s', '../../../d')), layer(wh('x/s/f'))], 'd/ x/ x/s->../../../d');
  shows([layer(symlink('s', 'gone')), layer(wh('s/f'))], 's->gone');
});

test('rule 2: the last name of a whiteout is not followed', () => {
  shows([layer(file('d/f'), symlink('s', 'd')), layer(wh('s'))], 'd/ d/f@0.0');
});

test('rule 2: not through a symlink where the layer itself has a directory entry', () => {
  shows([layer(file('d/f'), symlink('s', 'd')), layer(wh('s/f'), dir('s'))], 'd/ d/f@0.0 s/');
  shows([layer(file('d/f'), symlink('s', 'd')), layer(opq('s'), dir('s'))], 'd/ d/f@0.0 s/');
  // An entry that is not a directory, or a directory that is only implied, is no directory entry.
  shows([layer(file('d/f'), symlink('s', 'd')), layer(file('s'), wh('s/f'))], 'd/ s@1.0');
  shows([layer(file('d/f'), symlink('s', 'd')), layer(file('s/g'), wh('s/f'))], 'd/ d/g@1.0 s->d');
});

test('rule 2: "there" is the place, also where the directory entry comes by another path', () => {
  const below = layer(file('y/f'), symlink('d/x', '/y'), symlink('s', 'd'));
  shows([below, layer(dir('d/x'), wh('s/x/f'))], 'd/ d/x/ s->d y/ y/f@0.0');
  shows([below, layer(dir('s/x'), wh('d/x/f'))], 'd/ d/x/ s->d y/ y/f@0.0');
});

test('rule 2: a directory entry below a replaced symlink is not where the symlink led', () => {
  const below = layer(file('y/f'), symlink('d/x', '/y'), symlink('s', 'd'));
  shows([below, layer(dir('s'), dir('s/x'), wh('d/x/f'))], 'd/ d/x->/y s/ s/x/ y/');
});

test('rules 2, 3: all markers are looked up before the first is applied', () => {
  const below = layer(file('d/f'), symlink('a/s', '/d'));
  shows([below, layer(wh('a/s'), wh('a/s/f'))], 'a/ d/');
  shows([below, layer(opq('a'), wh('a/s/f'))], 'a/ d/');
  shows([below, layer(wh('a'), opq('a/s'))], 'd/');
});

test('rule 3: opaque hides the children from below; the directory and the own children stay', () => {
  const below = layer(dir('d', { mode: 0o700 }), file('d/old'), file('d/sub/x'));
  shows([below, layer(file('d/new'), opq('d'))], 'd/ d/new@1.0');
  const tree = mergeAll(below, layer(opq('d')));
  assert.equal(inodeAt(tree, 'd').mode, 0o700);
  shows([below, layer(opq(''), file('x'))], 'x@1.1');
  shows([layer(file('d')), layer(opq('d'), opq('none'))], 'd@0.0');
});

test('rule 3: an opaque directory may be reached through a symlink below', () => {
  shows([layer(file('d/f'), symlink('s', 'd')), layer(opq('s'))], 'd/ s->d');
});

test('rule 4: a directory over a directory has the metadata of the upper and the children of both', () => {
  const tree = mergeAll(
    layer(dir('d', { mode: 0o700, xattrs: xattrs({ 'user.lower': '1' }) }), file('d/a')),
    layer(dir('d', { mode: 0o1777, uid: 9, xattrs: xattrs({ 'user.upper': '2' }) }), file('d/b')),
  );
  assert.equal(show(tree), 'd/ d/a@0.1 d/b@1.1');
  const { mode, uid, xattrs: kept } = inodeAt(tree, 'd');
  assert.deepEqual({ mode, uid, names: [...kept.keys()] }, { mode: 0o1777, uid: 9, names: ['user.upper'] });
});

test('rule 4: anything else replaces, and what stood below is gone', () => {
  shows([layer(file('d/a/b')), layer(file('d'))], 'd@1.0');
  shows([layer(file('d/a/b')), layer(symlink('d', 'x'))], 'd->x');
  shows([layer(file('d/a/b')), layer(fifo('d')), layer(dir('d'))], 'd/');
  shows([layer(file('a')), layer(file('a'))], 'a@1.0');
  shows([layer(symlink('a', 'd'), dir('d')), layer(file('a'))], 'a@1.0 d/');
  shows([layer(device('a', 'block', 1, 2)), layer(dir('a'))], 'a/');
});

test('rule 4: a root that is not a directory is rejected', () => {
  rejects([layer(), layer(file(''))], /\/: the root is a file/);
  rejects([layer(file('a'), link('', 'a'))], /root is a hardlink/);
});

test('rule 5: of a path that is repeated the last wins; two directories merge', () => {
  shows([layer(file('a'), symlink('a', 'x'), file('a'))], 'a@0.2');
  shows([layer(file('a/b'), file('a'))], 'a@0.1');
  shows([layer(file('a'), dir('a'), file('a/b'))], 'a/ a/b@0.2');
  const tree = mergeAll(layer(dir('a', { mode: 1 }), file('a/b'), dir('a', { mode: 2 })));
  assert.equal(show(tree), 'a/ a/b@0.1');
  assert.equal(inodeAt(tree, 'a').mode, 2);
});

test('rule 6: a hardlink names a path as it stands at that point of the stream', () => {
  shows([layer(file('a')), layer(link('b', 'a'), file('a'))], 'a@1.1 b@0.0');
  shows([layer(file('a')), layer(file('a'), link('b', 'a'))], 'a@1.0 b=a');
});

test('rule 6: if nothing is there, as the layer found it below, before its own whiteouts', () => {
  shows([layer(file('a')), layer(wh('a'), link('b', 'a'))], 'b@0.0');
  shows([layer(file('d/a')), layer(opq('d'), link('d/b', 'd/a'))], 'd/ d/b@0.0');
  shows([layer(file('d/a')), layer(file('d'), link('b', 'd/a'))], 'b@0.0 d@1.0');
  shows([layer(file('d/a'), symlink('s', 'd')), layer(wh('s'), wh('d'), link('b', 's/a'))], 'b@0.0');
  shows([layer(file('a')), layer(wh('a'), link('a', 'a'))], 'a@0.0');
  // Something of the layer's own is there, so what was below does not count.
  shows([layer(file('a')), layer(wh('a'), file('a'), link('b', 'a'))], 'a@1.1 b=a');
  rejects(
    [layer(file('a')), layer(wh('a'), dir('a'), link('b', 'a'))],
    /hardlink to a, which is a directory/,
  );
});

test("rule 6: the target's parents are followed through symlinks inside the root, its last name is not", () => {
  shows([layer(file('d/a'), symlink('s', '/../d'), link('b', 's/a'))], 'b@0.0 d/ d/a=b s->/../d');
  shows([layer(file('a'), symlink('s', 'a'), link('b', 's'))], 'a@0.0 b->a s=b');
});

test('rule 6: the inode stays when the other name is deleted or replaced', () => {
  shows([layer(file('a'), link('b', 'a'), file('a'))], 'a@0.2 b@0.0');
  shows([layer(file('a'), link('b', 'a')), layer(wh('a'))], 'b@0.0');
  shows([layer(file('a'), link('b', 'a'), link('c', 'b')), layer(file('a'))], 'a@1.0 b@0.0 c=b');
});

test('rule 6: anything but a directory may be linked to', () => {
  const below = layer(
    symlink('s', 'x'),
    device('c', 'character', 1, 3),
    device('k', 'block', 8, 0),
    fifo('p'),
  );
  const links = layer(link('s2', 's'), link('c2', 'c'), link('k2', 'k'), link('p2', 'p'));
  shows([below, links], 'c:character c2=c k:block k2=k p:fifo p2=p s->x s2=s');
});

test("rule 6: the inode's metadata counts", () => {
  const tree = mergeAll(layer(file('a', { mode: 0o4755, uid: 7 })), layer(link('b', 'a')));
  assert.equal(inodeAt(tree, 'b'), inodeAt(tree, 'a'));
  assert.equal(inodeAt(tree, 'b').uid, 7);
});

test('rule 6: a hardlink replaces what stands at its own path', () => {
  shows([layer(file('a'), file('d/x')), layer(link('d', 'a'))], 'a@0.0 d=a');
  shows([layer(file('d/x')), layer(link('d', 'd/x'))], 'd@0.0');
  shows([layer(file('a')), layer(link('a', 'a'))], 'a@0.0');
});

test('rule 6: the target is looked up before the parents of the link come into being', () => {
  shows([layer(file('f')), layer(link('f/x', 'f'))], 'f/ f/x@0.0');
});

test('rule 6: a target that does not exist, only comes later, or is a directory is rejected', () => {
  const message =
    /^layer 1 \(counted from the oldest, 0 first\): usr\/x: hardlink to y, which does not exist$/;
  rejects([layer(), layer(link('usr/x', 'y'))], message);
  rejects([layer(), layer(link('usr/x', 'y'), file('y'))], message);
  rejects([layer(dir('y')), layer(link('usr/x', 'y'))], /which is a directory/);
  rejects([layer(file('a')), layer(link('b', 'a/c'))], /does not exist/);
  rejects([layer(file('a')), layer(wh('a')), layer(link('b', 'a'))], /does not exist/);
  rejects([layer(link('b', ''))], /root, which is a directory/);
});

test('rule 7: a parent from below stays as it is', () => {
  const tree = mergeAll(layer(dir('d', { mode: 0o700, uid: 5 })), layer(file('d/a')));
  assert.deepEqual([inodeAt(tree, 'd').mode, inodeAt(tree, 'd').uid], [0o700, 5]);
});

test("rule 7: a parent that nothing has is 0755, 0:0, of the image's creation time", () => {
  const tree = mergeAll(layer(file('a/b/c')));
  for (const path of ['', 'a', 'a/b']) {
    const { mode, uid, gid, mtime, xattrs: none } = inodeAt(tree, path);
    assert.deepEqual(
      { mode, uid, gid, mtime, size: none.size },
      { mode: 0o755, uid: 0, gid: 0, mtime: created, size: 0 },
    );
  }
});

test('rule 7: a symlink below is followed, inside the root only', () => {
  shows([layer(dir('d'), symlink('s', 'd')), layer(file('s/a'))], 'd/ d/a@1.0 s->d');
  shows([layer(dir('d'), symlink('x/s', '/d')), layer(file('x/s/a'))], 'd/ d/a@1.0 x/ x/s->/d');
  shows(
    [layer(dir('d'), symlink('x/s', '../../../d/.')), layer(file('x/s/a'))],
    'd/ d/a@1.0 x/ x/s->../../../d/.',
  );
  shows(
    [layer(dir('d/e'), symlink('s', 'd/e'), symlink('t', 's/..')), layer(file('t/a'))],
    'd/ d/a@1.0 d/e/ s->d/e t->s/..',
  );
  shows([layer(symlink('s', '/')), layer(file('s/a'))], 'a@1.0 s->/');
});

test("rule 7: a dangling symlink's target directories come into being", () => {
  const tree = mergeAll(layer(symlink('s', 'p/q')), layer(file('s/a')));
  assert.equal(show(tree), 'p/ p/q/ p/q/a@1.0 s->p/q');
  assert.deepEqual(inodeAt(tree, 'p/q').mtime, created);
});

test('rule 7: a non-directory from below makes way for a directory, with a warning', () => {
  for (const below of [file('d'), fifo('d'), device('d', 'block', 1, 1), device('d', 'character', 1, 1)]) {
    const warnings = new Warnings();
    const tree = merge([layer(below), layer(file('d/a/b'))], mergeOptions({ warnings }));
    assert.equal(show(tree), 'd/ d/a/ d/a/b@1.0');
    assert.equal(warnings.counts.get('parent-replaced'), 1);
    assert.deepEqual([warnings.examples[0]?.layer, warnings.examples[0]?.path], [1, 'd']);
  }
  shows([layer(file('f'), symlink('s', 'f')), layer(file('s/a'))], 'f/ f/a@1.0 s->f');
  const strict = mergeOptions({ warnings: new Warnings({ strict: true }) });
  assert.throws(() => merge([layer(file('d')), layer(file('d/a'))], strict), { code: 'invalid' });
});

test('rule 7: one of its own layer is rejected', () => {
  for (const own of [file('d'), fifo('d'), device('d', 'block', 1, 1)]) {
    rejects(
      [layer(), layer(own, file('d/a'))],
      /d\/a: its parent d is a (file|fifo|block) of the same layer/,
    );
    rejects([layer(own), layer(own, file('d/a'))], /same layer/);
  }
  // A hardlink is of the layer that makes it, whatever it links to.
  rejects([layer(file('f')), layer(link('d', 'f'), file('d/a'))], /same layer/);
  rejects([layer(fifo('f')), layer(link('d', 'f'), file('d/a'))], /same layer/);
  shows([layer(file('f')), layer(link('d', 'f'), file('f/a'))], 'd@0.0 f/ f/a@1.1');
});

test("rule 7: the result below is what the layer's own whiteouts left", () => {
  const tree = mergeAll(layer(dir('d', { mode: 0o700 }), file('d/old')), layer(file('d/a'), wh('d')));
  assert.equal(show(tree), 'd/ d/a@1.0');
  assert.equal(inodeAt(tree, 'd').mode, 0o755);
  shows([layer(dir('d'), symlink('s', 'd')), layer(file('s/a'), wh('s'))], 'd/ s/ s/a@1.0');
  const warnings = new Warnings();
  merge([layer(file('d')), layer(file('d/a'), wh('d'))], mergeOptions({ warnings }));
  assert.equal(warnings.total, 0);
});

test('rule 7: a symlink of the same layer is followed for its later children', () => {
  shows([layer(symlink('s', 'd'), file('s/a'))], 'd/ d/a@0.1 s->d');
  shows([layer(file('s/a'), symlink('s', 'd'), file('s/b'))], 'd/ d/b@0.2 s->d');
});

test('rule 7: forty symlinks are followed, one more is rejected', () => {
  const chain = (count: number) =>
    layer(
      dir('d'),
      ...Array.from({ length: count }, (_, at) => symlink(`s${at}`, at === 0 ? 'd' : `s${at - 1}`)),
    );
  assert.match(show(mergeAll(chain(40), layer(file('s39/a')))), /d\/a@1\.0/);
  rejects([chain(41), layer(file('s40/a'))], /more than 40 symlinks/);
  rejects([layer(symlink('s', 's'), file('s/a'))], /more than 40/);
  rejects([layer(symlink('a', 'b'), symlink('b', 'a')), layer(wh('a/x'))], /more than 40/);
  rejects([layer(symlink('a', 'b'), symlink('b', 'a')), layer(link('y', 'a/x'))], /more than 40/);
});

test('rule 7: a directory entry over a symlink replaces it, from that point on', () => {
  shows(
    [layer(dir('d'), symlink('s', 'd')), layer(file('s/a'), dir('s'), file('s/b'))],
    'd/ d/a@1.0 s/ s/b@1.2',
  );
  shows([layer(symlink('s', 'd'), file('s/a'), dir('s'), file('s/b'))], 'd/ d/a@0.1 s/ s/b@0.3');
});

test('neighbours that share a parent see it replaced', () => {
  shows([layer(file('d/a'), symlink('d', 'e'), file('d/b'), file('d'))], 'd@0.3 e/ e/b@0.2');
  shows([layer(file('x/d/a'), fifo('x'), dir('x'), file('x/d/b'))], 'x/ x/d/ x/d/b@0.3');
  shows(
    [layer(file('d/a'), link('l1', 'd/a'), symlink('d', 'e'), file('e/a'), link('l2', 'd/a'))],
    'd->e e/ e/a@0.3 l1@0.0 l2=e/a',
  );
});

test('a parent through a symlink is looked up anew when what the symlink passes was replaced', () => {
  rejects(
    [layer(dir('a'), symlink('s', 'a/..')), layer(file('s/x'), fifo('s/a'), file('s/y'))],
    /same layer/,
  );
});

test('rule 8: the root may have an entry of its own', () => {
  const tree = mergeAll(layer(dir('', { mode: 0o700, uid: 3 }), file('a')), layer(opq('')));
  assert.equal(show(tree), '');
  assert.deepEqual([tree.root.inode.mode, tree.root.inode.uid], [0o700, 3]);
});

test('rule 9: metadata reaches the tree exactly', () => {
  const given = {
    mode: 0o6751,
    uid: 0xffffffff,
    gid: 2 ** 31,
    mtime: { seconds: -1, nanoseconds: 999_999_999 },
    xattrs: xattrs({ 'user.a': '\0' }),
  };
  const tree = mergeAll(layer(file('a', { ...given, size: 2 ** 41 }), symlink('\xff', '../\xfe', given)));
  assert.deepEqual(inodeAt(tree, 'a'), {
    type: 'file',
    ...given,
    size: 2 ** 41,
    content: { layer: 0, entry: 0 },
  });
  assert.deepEqual(inodeAt(tree, '\xff'), { type: 'symlink', ...given, target: '../\xfe' });
});

test('lookup follows no symlink', () => {
  const merger = new Merger(mergeOptions());
  merger.apply(layer(file('d/a'), symlink('s', 'd')));
  assert.equal(merger.lookup('d/a')?.type, 'file');
  assert.equal(merger.lookup('s')?.type, 'symlink');
  assert.equal(merger.lookup('s/a'), undefined);
  assert.equal(merger.lookup('d/a/x'), undefined);
  assert.equal(merger.lookup(''), merger.root());
});

test('limits: entries of all layers, and a depth that symlinks build up', () => {
  const entries = mergeOptions({ limits: createLimits({ entries: 2 }) });
  assert.throws(() => merge([layer(file('a')), layer(file('b'), wh('c'))], entries), { code: 'exhausted' });
  const depth = mergeOptions({ limits: createLimits({ pathDepth: 4 }) });
  assert.equal(merge([layer(file('a/b/c/d'))], depth).nodes.length, 5);
  const deep = [layer(file('a/b/c/d/x')), layer(dir('a/b/c'), symlink('s', 'a/b/c'), file('s/d/e/f'))];
  for (const each of deep) {
    if (each === deep[0]) assert.equal(merge([each], depth).nodes.length, 6);
    else assert.throws(() => merge([each], depth), { name: 'LayerError', code: 'exhausted' });
  }
});

test('many layers and wide ones stay linear', () => {
  const layers: LayerIndex[] = [];
  for (let at = 0; at < 500; at += 1) {
    layers.push(
      layer(
        opq('d'),
        wh('e'),
        ...Array.from({ length: 100 }, (_, name) => file(`d/x/${name}`)),
        file(`e/${at}`),
      ),
    );
  }
  const wide = { entries: Array.from({ length: 200_000 }, (_, name) => file(`w/${name % 100}/${name}`)) };
  const start = performance.now();
  assert.equal(mergeAll(wide, ...layers).nodes.length, 1 + 1 + 100 + 200_000 + 2 + 100 + 2);
  assert.ok(performance.now() - start < 8000, `took ${performance.now() - start} ms`);
});
