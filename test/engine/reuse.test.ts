/** An artifact out of the cache tells what it told when it was made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pull } from '../../src/engine/pull.ts';
import { render } from '../../src/engine/render.ts';
import { createRecord } from '../model/record.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { layoutOf } from './image.ts';
import { Scratch } from './scratch.ts';
import { endBlocks, writeRecord } from './tar.ts';

test('what EROFS leaves out is told, and an error under --strict, of an artifact that is there', async () => {
  using scratch = new Scratch();
  await using registry = await startFakeRegistry();
  const odd = createRecord({ type: 'file', path: 'odd', mode: 0o644 });
  const record = { ...odd, xattrs: new Map([['other.name', Buffer.from('v')]]) };
  const tar = Buffer.concat([writeRecord(record, Buffer.alloc(0)), endBlocks]);
  registry.put('app:1', layoutOf([tar]));
  const source = `${registry.host}/app:1`;
  const options = { root: scratch.file('root'), platform: 'linux/amd64', format: 'erofs' } as const;
  for (const reused of [false, true]) {
    const { artifact, warnings } = await pull(source, options);
    assert.equal(artifact!.reused, reused);
    assert.deepEqual(warnings.counts, { 'xattr-dropped': 1 });
  }
  await assert.rejects(pull(source, { ...options, strict: true }), { code: 'invalid' });
  const copied = await render(source, [{ path: scratch.file('out.erofs') }], options);
  assert.equal(copied.reused, true);
  assert.deepEqual(copied.warnings.counts, { 'xattr-dropped': 1 });
});
