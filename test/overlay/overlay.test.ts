/** Projections and heads of small layers, read off OverlayFS's rules by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerEntry, LayerIndex } from '../../src/layer/index.ts';
import type { Content } from '../../src/merge/index.ts';
import { isOpaque, isWhiteout, overlayPlan, projectLayer } from '../../src/overlay/index.ts';
import type { Node, NodeInode, Tree } from '../../src/tree/index.ts';
import { device, dir, fifo, file, layer, link, opq, symlink, wh } from '../layer/dsl.ts';
import { inodeAt, mergeAll } from '../merge/tree.ts';
import { createRandom } from '../model/random.ts';
import { createTameStack } from '../model/tame.ts';
import { mergeStack } from './layers.ts';

/**
 * All names but the root: `a/`, `a/!` opaque, `-a` whiteout, `a@0.2` layer and entry of a file, `a->b`, `a:fifo`, `a=b` another
 * name of what stands under `b`.
 */
function draw(tree: Tree<Content>): string {
  const words: string[] = isOpaque(tree.root.inode) ? ['/!'] : [];
  const first = new Map<NodeInode<Content>, string>();
  const visit = (node: Node<Content>, prefix: string): void => {
    for (const { name, node: child } of node.entries) {
      const path = prefix + name;
      const { inode } = child;
      const known = first.get(inode);
      first.set(inode, known ?? path);
      if (isWhiteout(inode)) words.push(`-${path}`);
      else if (inode.type === 'directory') words.push(`${path}/${isOpaque(inode) ? '!' : ''}`);
      else if (known !== undefined) words.push(`${path}=${known}`);
      else if (inode.type === 'file') words.push(`${path}@${inode.content.layer}.${inode.content.entry}`);
      else if (inode.type === 'symlink') words.push(`${path}->${inode.target}`);
      else words.push(`${path}:${inode.type}`);
      visit(child, `${path}/`);
    }
  };
  visit(tree.root, '');
  return words.join(' ');
}

function project(...entries: LayerEntry[]): Tree<Content> {
  return projectLayer(entries, { layer: 0, xattrs: 'trusted' });
}

function projects(entries: LayerEntry[], expected: string): void {
  assert.equal(draw(project(...entries)), expected);
}

function plan(...layers: LayerIndex[]) {
  return overlayPlan(layers, mergeAll(...layers), { xattrs: 'trusted' });
}

function heads(layers: LayerIndex[], expected: string): void {
  assert.equal(draw(plan(...layers).head), expected);
}

test('a projection holds the entries as they are', () => {
  projects(
    [
      dir('d'),
      file('d/f'),
      symlink('d/s', '../x'),
      device('c', 'character', 1, 3),
      fifo('p'),
      link('g', 'd/f'),
    ],
    'c:character d/ d/f@0.1 d/s->../x g=d/f p:fifo',
  );
  const tree = project(dir('', { mode: 0o700, uid: 7 }), dir('d', { mode: 0o1777 }));
  assert.equal(tree.root.inode.mode, 0o700);
  assert.equal(tree.root.inode.uid, 7);
  assert.equal(inodeAt(tree, 'd').mode, 0o1777);
});

test('parents without an entry are 0755, 0:0, of 1970, until their entry comes', () => {
  const tree = project(file('a/b/f'), dir('a/b', { mode: 0o700 }));
  const { mode, uid, gid, mtime, xattrs } = inodeAt(tree, 'a');
  assert.deepEqual(
    { mode, uid, gid, mtime },
    { mode: 0o755, uid: 0, gid: 0, mtime: { seconds: 0, nanoseconds: 0 } },
  );
  assert.equal(xattrs.size, 0);
  assert.equal(inodeAt(tree, 'a/b').mode, 0o700);
});

test('the last of a repeated path counts; what stood over a directory leaves it opaque', () => {
  projects([file('a'), file('a')], 'a@0.1');
  projects([dir('a'), file('a/b'), dir('a')], 'a/ a/b@0.1');
  projects([dir('a'), file('a/b'), file('a')], 'a@0.2');
  projects([file('a'), dir('a'), file('a/b')], 'a/! a/b@0.2');
  projects([symlink('a', 'x'), dir('a')], 'a/!');
  projects([link('a', 'below'), dir('a')], 'a/!');
});

test('symlinks of the layer are followed for its later children', () => {
  projects([symlink('lib', 'usr/lib'), file('lib/f')], 'lib->usr/lib usr/ usr/lib/ usr/lib/f@0.1');
  projects([symlink('d/l', '/../x'), file('d/l/f')], 'd/ d/l->/../x x/ x/f@0.1');
  projects([symlink('l', 'l'), file('l/f'), file('a')], 'a@0.2 l->l');
});

test('what needs the layers below is left out', () => {
  projects([link('a', 'below'), link('b', 'a'), file('c')], 'c@0.2');
  projects([file('a'), file('a/b')], 'a@0.0');
  projects([dir('a'), link('b', 'a')], 'a/');
  projects([link('a', 'below'), file('a/b'), file('a')], 'a@0.2');
});

test('whiteouts are 0:0 devices of one inode; what stands there all the same is opaque, or itself', () => {
  const tree = project(dir('d'), wh('d/x'), wh('y'));
  assert.equal(draw(tree), 'd/ -d/x -y');
  const { type, mode, uid, gid, mtime } = inodeAt(tree, 'y');
  assert.deepEqual(
    { type, mode, uid, gid, mtime },
    { type: 'character', mode: 0, uid: 0, gid: 0, mtime: { seconds: 0, nanoseconds: 0 } },
  );
  assert.equal(inodeAt(tree, 'd/x'), inodeAt(tree, 'y'));
  projects([dir('d'), wh('d')], 'd/!');
  projects([wh('d'), file('d/x')], 'd/! d/x@0.1');
  projects([file('f'), wh('f')], 'f@0.0');
});

test('a directory with whiteouts says that it was copied up, in the namespace asked for', () => {
  const names = (tree: Tree<Content>, path: string) => [...inodeAt(tree, path).xattrs.keys()];
  const entries = [dir('d'), wh('d/x'), dir('e'), wh('e'), dir('f')];
  const tree = project(...entries);
  assert.deepEqual(names(tree, 'd'), ['trusted.overlay.origin']);
  assert.equal(inodeAt(tree, 'd').xattrs.get('trusted.overlay.origin')!.length, 0);
  assert.deepEqual(names(tree, 'e'), ['trusted.overlay.opaque']);
  assert.deepEqual(names(tree, 'f'), []);
  const user = projectLayer(entries, { layer: 0, xattrs: 'user' });
  assert.deepEqual(
    [...names(user, 'd'), ...names(user, 'e')],
    ['user.overlay.origin', 'user.overlay.opaque'],
  );
});

test('deletions: missing parents come, redundant ones go, symlinks are not followed', () => {
  projects([wh('a/b/c')], 'a/ a/b/ -a/b/c');
  projects([opq('a/b')], 'a/ a/b/!');
  projects([wh('a'), wh('a/b'), opq('a/c'), opq('a')], '-a');
  projects([opq('a'), wh('a/b'), opq('a/c'), wh('a-b')], 'a/! -a-b');
  projects([opq('a'), file('a/b/f'), wh('a/b'), wh('a/b/c')], 'a/! a/b/ a/b/f@0.1');
  projects([symlink('s', 'd'), wh('s/x'), opq('s')], 's->d');
  projects([file('f'), wh('f/x')], 'f@0.0');
  projects([wh('x'), opq(''), file('f')], '/! f@0.2');
});

test('of complete layers the head is the root', () => {
  heads([layer(dir(''), dir('a'), file('a/f')), layer(dir(''), dir('a'), file('a/g'), wh('a/f'))], '');
  for (let seed = 0; seed < 50; seed += 1) {
    const { layers, merged } = mergeStack(createTameStack(createRandom(seed)))!;
    const { head, headContents } = overlayPlan(layers, merged, { xattrs: 'trusted' });
    assert.equal(draw(head), '', `seed ${seed}`);
    assert.deepEqual(headContents, []);
    const { mode, mtime } = merged.root.inode;
    assert.deepEqual([head.root.inode.mode, head.root.inode.mtime], [mode, mtime]);
  }
});

test('parents without an entry are described by the head', () => {
  const below = layer(dir('a', { mode: 0o700 }), file('a/b/f'));
  const made = plan(below, layer(file('a/g')));
  assert.equal(draw(made.head), 'a/ a/b/');
  assert.equal(inodeAt(made.head, 'a').mode, 0o700);
  // The image's creation time.
  assert.equal(inodeAt(made.head, 'a/b').mtime.seconds, 1000);
});

test('whiteouts in missing places leave nothing', () => {
  heads([layer(file('x')), layer(wh('a/b/c'))], '-a');
  heads([layer(dir('a')), layer(dir('a'), wh('a/b'))], '');
});

test('a parent that is a symlink below comes back, and what was put there', () => {
  const layers = [
    layer(symlink('lib', 'usr/lib'), dir('usr'), dir('usr/lib'), file('usr/lib/a')),
    layer(file('lib/b')),
  ];
  heads(layers, 'lib->usr/lib usr/ usr/lib/ usr/lib/b@1.0');
  assert.deepEqual(plan(...layers).headContents, [{ layer: 1, entry: 0 }]);
});

test('a directory of which nothing from below is left is opaque; the root cannot be', () => {
  const below = layer(dir('d'), file('d/a'), file('d/b'), symlink('s', 'd'));
  heads([below, layer(opq('s'))], 'd/! s->d');
  heads([below, layer(wh('s/a'))], 'd/ -d/a s->d');
  heads([layer(symlink('r', '.'), file('a'), file('b')), layer(wh('r/a'), wh('r/b'), wh('r/r'))], '-a -b -r');
});

test('hardlinks to files below bring all names of the inode, and its content once', () => {
  const made = plan(layer(file('a'), link('b', 'a')), layer(link('c', 'a')));
  assert.equal(draw(made.head), 'a@0.0 b=a c=a');
  assert.deepEqual(made.headContents, [{ layer: 0, entry: 0 }]);
  // The name is there below, and shows another file.
  heads([layer(file('a'), file('b')), layer(link('b', 'a'))], 'a@0.0 b=a');
});

test('names of one inode that newer layers deleted leave the others alone', () => {
  heads([layer(file('a'), link('b', 'a'), link('c', 'a')), layer(wh('b'))], '');
});

test('what is one inode in a projection and two in the merge is told apart', () => {
  const below = layer(symlink('s', 'd'), dir('d'));
  const above = layer(dir('d'), fifo('s/x'), link('p', 's/x'), fifo('d/x'), link('q', 's/x'), file('d/x'));
  const merged = mergeAll(below, above);
  assert.notEqual(inodeAt(merged, 'p'), inodeAt(merged, 'q'));
  const { head } = overlayPlan([below, above], merged, { xattrs: 'trusted' });
  assert.equal(draw(head), 'q:fifo s->d');
});

test('layers under an opaque root and layers without entries are not stacked', () => {
  const made = plan(layer(file('a')), layer(), layer(opq(''), file('b')), layer(dir('')), layer(file('c')));
  assert.deepEqual(made.stacked, [2, 4]);
  assert.equal(draw(made.head), '');
  assert.equal(made.layers.length, 5);
  assert.deepEqual(plan().stacked, []);
  assert.equal(draw(plan(layer(dir('')), layer(opq(''))).head), '');
});

test('of a layer that comes again the newest is stacked', () => {
  const twice = layer(file('a'));
  const layers = [twice, layer(wh('a'), file('b')), twice];
  const names = ['x', 'y', 'x'];
  const made = overlayPlan(layers, mergeAll(...layers), { xattrs: 'trusted', names });
  assert.deepEqual(made.stacked, [1, 2]);
  assert.equal(draw(made.head), '');
});

test('of more layers than fit, those with the fewest bytes go into the head', () => {
  const layers = [
    layer(file('a', { size: 900 })),
    layer(file('b', { size: 5 })),
    layer(file('c', { size: 800 })),
  ];
  const made = overlayPlan(layers, mergeAll(...layers), { xattrs: 'trusted', lowers: 3 });
  assert.deepEqual(made.stacked, [0, 2]);
  assert.equal(draw(made.head), 'b@1.0');
  assert.deepEqual(made.headContents, [{ layer: 1, entry: 0 }]);
});

test('files without bytes are in the head without a content', () => {
  const made = plan(layer(file('a', { size: 0 })), layer(link('b', 'a')));
  assert.equal(draw(made.head), 'a@0.0 b=a');
  assert.deepEqual(made.headContents, []);
});

test('64,000 entries in 500 layers, and a path of 1,000 names', () => {
  const wide = Array.from({ length: 500 }, (_, index) =>
    layer(
      ...Array.from({ length: 128 }, (_, at) => file(`usr/d${index % 50}/f${at + index}`)),
      wh(`usr/d${index % 50}/f${index}`),
    ),
  );
  const deep = layer(file(`${'d/'.repeat(1000)}f`));
  const layers = [...wide, deep];
  const merged = mergeAll(...layers);
  const begun = performance.now();
  const { head, stacked } = overlayPlan(layers, merged, { xattrs: 'trusted' });
  assert.ok(performance.now() - begun < 5000, 'seconds where some 100 ms were meant');
  assert.equal(stacked.length, 499);
  assert.ok(head.nodes.length > 1000);
});
