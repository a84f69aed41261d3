/** A layer's file is hashed while it is written; whatever was opened for that is closed when it is done. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { LayerDraft } from '../../src/engine/stack/layer-draft.ts';
import type { ArtifactDraft, MadeArtifact, StoredArtifact } from '../../src/store/index.ts';
import { measureFile } from '../../src/verity/index.ts';
import { Scratch } from './scratch.ts';

/** Descriptors of this process that are open on a file. */
function countOpen(path: string): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;
}

const countThreads = () => process.getActiveResourcesInfo().filter(kind => kind === 'MessagePort').length;

for (const size of [1 << 20, 48 << 20]) {
  test(`a committed layer of ${size} bytes has neither a descriptor nor a thread any more`, {
    skip: process.platform !== 'linux' && 'needs /proc/self/fd',
  }, async () => {
    using scratch = new Scratch();
    const path = scratch.file('layer');
    writeFileSync(path, 'head');
    truncateSync(path, size);
    let made: MadeArtifact | undefined;
    const draft: ArtifactDraft = {
      path,
      async commit(what) {
        assert.equal(countOpen(path), 0);
        made = what;
        return {} as StoredArtifact;
      },
      [Symbol.dispose]() {},
    };
    const before = countThreads();
    await using layer = new LayerDraft(draft);
    assert.equal(countOpen(path), 1);
    layer.advance(size);
    assert.equal(countThreads() > before, size > 32 << 20);
    await layer.commit(size, { head: 4096, digest: undefined, signal: undefined });
    assert.equal(countThreads(), before);
    assert.deepEqual(made?.measured, await measureFile(path));
  });
}
