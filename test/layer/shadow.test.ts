import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LayerEntry, Shadow } from '../../src/layer/index.ts';
import { dir, file, link, opq, symlink, wh } from './dsl.ts';

/** Layers are given newest first. */
function shadow(...layers: LayerEntry[][]): Shadow {
  const made = new Shadow();
  for (const entries of layers) made.add(entries);
  return made;
}

test('nothing hides before a layer was added', () => {
  assert.equal(shadow().hides('a'), false);
  assert.equal(shadow([]).hides('a/b'), false);
});

test('a path that was replaced or whited out, and what stood below it', () => {
  const made = shadow([file('a/f'), symlink('a/s', 'x'), wh('a/w')]);
  for (const path of ['a/f', 'a/s', 'a/w', 'a/f/x', 'a/s/x/y', 'a/w/x'])
    assert.equal(made.hides(path), true, path);
  for (const path of ['a/g', 'f', 'a/wx', 'b']) assert.equal(made.hides(path), false, path);
});

test('a directory hides a file of its name, but not what stands below it', () => {
  const made = shadow([dir('d'), file('p/q/r')]);
  for (const path of ['d', 'p', 'p/q']) assert.equal(made.hides(path), true, path);
  for (const path of ['d/x', 'p/x', 'p/q/x']) assert.equal(made.hides(path), false, path);
});

test('markers create nothing, so their parents hide nothing', () => {
  const made = shadow([wh('a/b'), opq('c/d')]);
  for (const path of ['a', 'c', 'c/d', 'c/e']) assert.equal(made.hides(path), false, path);
  assert.equal(made.hides('c/d/e'), true);
});

test('an opaque directory hides all below it; so does an opaque root', () => {
  assert.equal(shadow([opq('a'), file('a/own')]).hides('a/b/c'), true);
  assert.equal(shadow([file('a/own'), opq('a')]).hides('a/own'), true);
  assert.equal(shadow([opq('')]).hides('x'), true);
});

test('older layers cannot bring back what a newer one hides', () => {
  const made = shadow([wh('a')], [dir('a'), file('a/b')]);
  assert.equal(made.hides('a/c'), true);
});

test('what a newer layer links to is needed until a layer has supplied it', () => {
  const links = [link('b', 'a'), wh('a')];
  const made = shadow(links);
  assert.equal(made.hides('a'), false);
  made.add([file('a')]);
  assert.equal(made.hides('a'), true);
  assert.equal(shadow([wh('b')], links).hides('a'), true, 'the link is hidden itself');
  assert.equal(shadow([file('a'), link('b', 'a')]).hides('a'), true, 'the target is of the same layer');
});
