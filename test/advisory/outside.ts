/** Attacks on whoever applies layers, makes layers of directories, or removes them: something outside that must stay as it is. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { ShaleError } from '../../src/error/index.ts';
import { readXattrs, removeTree } from '../../src/host/index.ts';
import {
  type Below,
  type ChangeEntry,
  compareDirectories,
  readUpper,
  type WhiteoutForm,
} from '../../src/layer/index.ts';
import { createScratch } from '../host/scratch.ts';
import { applyRecords } from '../layer/apply/stacks.ts';
import { recordsOf } from '../layer/diff/records.ts';
import { createRecord, type LayerRecord } from '../model/record.ts';

const secret = 'untouched secret';

/** Makes a tree beside what is attacked; the result checks that it is as it was. */
export function createOutside(path: string): () => void {
  mkdirSync(`${path}/deep/er`, { recursive: true });
  for (const name of ['precious', 'deep/file', 'deep/er/file'])
    writeFileSync(`${path}/${name}`, secret, { mode: 0o640 });
  symlinkSync('precious', `${path}/link`);
  chmodSync(path, 0o750);
  const before = stateOf(path);
  return () => assert.deepEqual(stateOf(path), before);
}

function stateOf(path: string): unknown[] {
  const stats = lstatSync(path, { bigint: true });
  const { mode, uid, gid, size, nlink, ino, mtimeNs, ctimeNs } = stats;
  const xattrs = [...readXattrs(path)].map(([name, value]) => [name, Buffer.from(value).toString('hex')]);
  const own = [path, mode, uid, gid, size, nlink, ino, mtimeNs, ctimeNs, xattrs];
  if (stats.isFile()) return [...own, readFileSync(path, 'utf8')];
  return stats.isDirectory()
    ? [
        ...own,
        ...readdirSync(path)
          .sort()
          .map(name => stateOf(`${path}/${name}`)),
      ]
    : own;
}

export const file = (path: string, given: Partial<LayerRecord> = {}) =>
  createRecord({ type: 'file', path, content: 'evil', size: 4, mode: 0o777, ...given });
export const directory = (path: string, given: Partial<LayerRecord> = {}) =>
  createRecord({ type: 'directory', path, mode: 0o777, ...given });
export const symlink = (path: string, linkpath: string, given: Partial<LayerRecord> = {}) =>
  createRecord({ type: 'symlink', path, linkpath, mode: 0o777, ...given });
export const hardlink = (path: string, linkpath: string, given: Partial<LayerRecord> = {}) =>
  createRecord({
    type: 'hardlink',
    path,
    linkpath,
    mode: 0o6777,
    mtime: { seconds: 1, nanoseconds: 0 },
    ...given,
  });

const isRoot = process.geteuid?.() === 0;
/** Only root has `trusted.*`. */
export const forms: readonly WhiteoutForm[] = isRoot
  ? ['plain', 'overlay', 'overlay-user', 'fuse-overlayfs', 'aufs']
  : ['plain', 'overlay-user', 'fuse-overlayfs', 'aufs'];

export type Verdict = 'applied' | 'rejected' | 'either';

/**
 * Applies the layers in every form: all onto one directory, and each onto its own over those below. Whether they are
 * applied or refused as `verdict` says, nothing outside may change, then or while a layer is made of it, or it is removed.
 */
export async function attack(
  stackOf: (outside: string) => readonly (readonly LayerRecord[])[],
  verdict: Verdict = 'either',
): Promise<void> {
  using scratch = createScratch();
  const outside = scratch.at('outside');
  const check = createOutside(outside);
  const stack = stackOf(outside).map(records => records.map(mine));
  for (const form of forms) {
    const root = scratch.at(`${form}-one`);
    mkdirSync(root);
    let rejected = false;
    for (const records of stack) rejected = (await apply(records, root, form, 'unknown')) || rejected;
    if (form === 'plain' && verdict !== 'either') assert.equal(rejected ? 'rejected' : 'applied', verdict);
    check();
    await readBack(root, form, scratch.at(`${form}-layer`));
    check();
    if (form !== 'plain') await attackOver(stack, form, name => scratch.at(`${form}-${name}`), check);
    removeTree(root);
    check();
  }
}

async function attackOver(
  stack: readonly (readonly LayerRecord[])[],
  form: Exclude<WhiteoutForm, 'plain'>,
  at: (name: string) => string,
  check: () => void,
): Promise<void> {
  mkdirSync(at('below'));
  for (const [index, records] of stack.entries()) {
    const root = at(`${index}`);
    mkdirSync(root);
    await apply(records, root, form, { path: at('below') });
    check();
    await readBack(root, form, at(`layer-${index}`), at('below'));
    await apply(records, at('below'), 'plain', 'unknown');
    check();
  }
}

/** True if the layer was refused; nothing else may go wrong. */
async function apply(
  records: readonly LayerRecord[],
  path: string,
  form: WhiteoutForm,
  below: Below,
): Promise<boolean> {
  try {
    await applyRecords(records, path, form, { below });
    return false;
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'invalid') return true;
    throw error;
  }
}

/** What is read of the directory holds nothing that is outside. */
export async function readBack(
  root: string,
  form: WhiteoutForm,
  layer: string,
  lower?: string,
): Promise<void> {
  const changes: AsyncIterable<ChangeEntry> =
    form === 'plain' ? compareDirectories({ newer: root }) : readUpper({ path: root, form, lower });
  for (const { content } of await recordsOf(changes, layer))
    assert.ok(!content.includes(secret), 'it was read');
}

/** An ordinary user can give files to nobody else. */
function mine(record: LayerRecord): LayerRecord {
  return isRoot ? record : { ...record, uid: process.getuid!(), gid: process.getgid!() };
}
