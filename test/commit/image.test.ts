import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import { applyInstructions, type CommitOptions, commitImage } from '../../src/commit/index.ts';
import { copy } from '../../src/engine/copy.ts';
import { cat, listImages, render } from '../../src/engine/index.ts';
import type { ShaleError } from '../../src/error/index.ts';
import { writeChangesLayer } from '../../src/layer/index.ts';
import { mediaTypes } from '../../src/oci/index.ts';
import { openStore, type Store, type StoredImage } from '../../src/store/index.ts';
import { Files, sha256 } from '../archive/fixture.ts';
import { Scratch } from '../engine/scratch.ts';
import { endBlocks, writeRecord } from '../engine/tar.ts';
import { change, root, streamOf, whiteout } from '../layer/diff/changes.ts';
import { createRecord } from '../model/record.ts';

const docker = {
  manifest: mediaTypes.dockerManifest,
  config: mediaTypes.dockerConfig,
  layer: 'application/vnd.docker.image.rootfs.diff.tar',
};
type Types = { readonly manifest: string; readonly config: string; readonly layer: string };

const execution = { Env: ['PATH=/bin', 'A=1'], Cmd: ['sh'], Labels: { old: 'yes' }, Unknown: 5 };

/** A layout with one image of one layer that holds /etc/name. */
async function writeBase(directory: string, types: Types): Promise<string> {
  const text = Buffer.from('base\n');
  const tar = Buffer.concat([
    writeRecord(createRecord({ type: 'directory', path: 'etc' }), Buffer.alloc(0)),
    writeRecord(createRecord({ type: 'file', path: 'etc/name', size: text.length }), text),
    endBlocks,
  ]);
  const files = new Files();
  const config = files.blob(types.config, {
    ...{
      os: 'linux',
      architecture: 'amd64',
      created: '2020-01-01T00:00:00Z',
      author: 'somebody',
      config: execution,
    },
    ...{
      container: 'abc',
      container_config: { Cmd: ['x'] },
      docker_version: '20',
      'x.own': [1, { two: null }],
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(tar)}`] },
    history: [
      { created_by: 'first', created: '2020-01-01T00:00:00Z' },
      { created_by: 'CMD sh', empty_layer: true },
    ],
  });
  const layer = { ...files.blob(types.layer, tar), annotations: { 'some.layer': 'kept' } };
  const manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config,
    layers: [layer],
    annotations: { about: 'parent' },
  };
  await files.layout(files.blob(types.manifest, manifest)).writeDirectory(directory);
  return `oci:${directory}`;
}

interface Place {
  readonly scratch: Scratch;
  readonly store: Store;
  readonly base: StoredImage;
  readonly options: { readonly root: string; readonly platform: string };
  commit(given?: Partial<CommitOptions>): ReturnType<typeof commitImage>;
  /** A document of the cache, as JSON. */
  read(digest: string): Promise<Record<string, unknown>>;
}

async function withBase(types: Types, work: (place: Place) => Promise<void>): Promise<void> {
  using scratch = new Scratch();
  const options = { root: scratch.file('cache'), platform: 'linux/amd64' };
  await copy(await writeBase(scratch.file('layout'), types), 'cache:localhost/base:1', options);
  using store = await openStore(options);
  const [base] = store.findImages('localhost/base:1');
  const entries = [
    ...[
      root(),
      change('etc', 'directory'),
      whiteout('etc/name'),
      change('etc/new', 'file', { content: 'new\n' }),
    ],
  ];
  const layer = await writeChangesLayer(streamOf(entries), scratch.file('layer'));
  await work({
    ...{ scratch, store, base: base!, options },
    commit: given => commitImage({ store, base: base!, layer, name: 'localhost/new:2', ...given }),
    async read(digest) {
      return JSON.parse(readFileSync(store.findBlob(digest as never)!.path, 'utf8'));
    },
  });
}

for (const [kind, types] of [
  ['OCI', mediaTypes],
  ['Docker', docker],
] as const) {
  test(`a commit on an image of ${kind}'s is an OCI image that everything works with`, async () => {
    await withBase(types, async ({ scratch, store, base, options, commit, read }) => {
      const made = await commit({
        created: { seconds: 1_700_000_000, nanoseconds: 120_000_000 },
        ...{ author: 'me', message: 'why', changes: ['CMD ["serve"]', 'ENV B=2'] },
      });
      assert.equal(made.reference, 'localhost/new:2');
      const manifest = await read(made.manifestDigest);
      const layers = manifest.layers as Record<string, unknown>[];
      assert.deepEqual(manifest.mediaType, mediaTypes.manifest);
      assert.equal(manifest.annotations, undefined);
      assert.deepEqual((manifest.config as Record<string, unknown>).mediaType, mediaTypes.config);
      assert.deepEqual(
        layers.map(({ mediaType, annotations }) => [mediaType, annotations]),
        [
          [mediaTypes.layer, { 'some.layer': 'kept' }],
          [`${mediaTypes.layer}+gzip`, undefined],
        ],
      );
      const config = await read(made.configDigest);
      assert.deepEqual(config.config, { ...execution, Cmd: ['serve'], Env: ['PATH=/bin', 'A=1', 'B=2'] });
      assert.deepEqual([config.created, config.author], ['2023-11-14T22:13:20.12Z', 'me']);
      assert.deepEqual(config['x.own'], [1, { two: null }]);
      assert.deepEqual([config.container, config.container_config], [undefined, undefined]);
      assert.deepEqual((config.history as unknown[]).slice(2), [
        { created: '2023-11-14T22:13:20.12Z', created_by: 'shale commit', author: 'me', comment: 'why' },
      ]);
      assert.equal((config.rootfs as { diff_ids: string[] }).diff_ids.length, 2);

      const images = await listImages(options);
      assert.deepEqual(
        images.map(({ reference }) => reference),
        ['localhost/base:1', 'localhost/new:2'],
      );
      const content: Uint8Array[] = [];
      for await (const chunk of cat('cache:localhost/new:2', '/etc/new', options)) content.push(chunk);
      assert.equal(String(Buffer.concat(content)), 'new\n');
      await render('cache:localhost/new:2', [{ path: scratch.file('out/'), format: 'directory' }], options);
      assert.deepEqual(readdirSync(scratch.file('out', 'etc')), ['new']);
      assert.equal(readFileSync(scratch.file('out', 'etc', 'new'), 'utf8'), 'new\n');
      await copy('cache:localhost/new:2', `oci:${scratch.file('copied')}`, options);
      assert.deepEqual((await store.check()).damaged, []);

      // It stands by itself.
      store.removeImages([base]);
      await render('cache:localhost/new:2', [{ path: scratch.file('again/'), format: 'directory' }], options);
      assert.deepEqual(readdirSync(scratch.file('again', 'etc')), ['new']);
    });
  });
}

test('the same commit at the same time is the same image; another name for it is another row', async () => {
  await withBase(mediaTypes, async ({ store, commit }) => {
    const created = { seconds: 1, nanoseconds: 0 };
    const one = await commit({ created });
    const two = await commit({ created, name: 'localhost/other' });
    assert.equal(one.manifestDigest, two.manifestDigest);
    assert.deepEqual(store.findImages('localhost/other:latest').length, 1);
    // A commit of what was committed, and one that replaces it under its own name.
    const [base] = store.findImages('localhost/new:2');
    const three = await commit({ created, base: base!, name: 'localhost/new:2' });
    assert.notEqual(three.manifestDigest, one.manifestDigest);
    assert.deepEqual(
      store.findImages('localhost/new:2').map(({ layers }) => layers.length),
      [3],
    );
  });
});

test('SOURCE_DATE_EPOCH is the time of an image whose time is not given', async context => {
  process.env.SOURCE_DATE_EPOCH = '1234567';
  context.after(() => delete process.env.SOURCE_DATE_EPOCH);
  await withBase(mediaTypes, async ({ commit, read }) => {
    assert.equal((await read((await commit()).configDigest)).created, '1970-01-15T06:56:07Z');
  });
});

describe('what cannot be committed leaves nothing', () => {
  const fails = (given: (place: Place) => Partial<CommitOptions>, code: string) =>
    withBase(mediaTypes, async place => {
      await assert.rejects(place.commit(given(place)), (error: ShaleError) => {
        assert.equal(error.code, code, error.stack);
        return true;
      });
      assert.equal(place.store.images().length, 1);
      // The lease of a commit that failed is no obstacle, and what it brought is litter.
      place.store.collectGarbage({ all: true });
      assert.equal((await place.store.check()).checked <= 3, true);
    });

  test('a name with a digest', () => fails(({ base }) => ({ name: `a@${base.manifest}` }), 'invalid'));
  test('a name that is none', () => fails(() => ({ name: 'A B' }), 'invalid'));
  test('a change that is none', () => fails(() => ({ changes: ['RUN rm -rf /'] }), 'invalid'));
  test('an abort', () => fails(() => ({ signal: AbortSignal.abort() }), 'cancelled'));
  for (const which of ['manifest', 'config', 'layer'] as const) {
    test(`a parent whose ${which} is gone`, () =>
      fails(({ store, base }) => {
        const digest = which === 'layer' ? base.layers[0]!.digest : base[which];
        rmSync(store.findBlob(digest)!.path);
        return {};
      }, 'not-found'));
  }
});

describe('--change', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a Dockerfile's, not ours
  const braces = 'ENV A=${NONE:-x}${HOME:+y}${HOME:-z}${NONE:+w}$';
  const base = {
    Env: ['PATH=/bin', 'HOME=/root'],
    Cmd: ['old'],
    Entrypoint: ['init'],
    WorkingDir: '/srv',
    Other: true,
  };
  for (const [changes, expected] of [
    [['CMD ["a", "b c"]'], { Cmd: ['a', 'b c'] }],
    [['cmd echo "$PATH"'], { Cmd: ['/bin/sh', '-c', 'echo "$PATH"'] }],
    [['CMD []'], { Cmd: [] }],
    [['ENTRYPOINT ["x"]'], { Entrypoint: ['x'], Cmd: undefined }],
    [['CMD ["c"]', 'ENTRYPOINT ["x"]'], { Entrypoint: ['x'], Cmd: ['c'] }],
    [['ENTRYPOINT ["x"]', 'CMD ["c"]'], { Entrypoint: ['x'], Cmd: ['c'] }],
    [['ENV A=b'], { Env: ['PATH=/bin', 'HOME=/root', 'A=b'] }],
    [
      ['ENV PATH=$PATH:/x B="c d" C=e\\ f D=\'$PATH\''],
      { Env: ['PATH=/bin:/x', 'HOME=/root', 'B=c d', 'C=e f', 'D=$PATH'] },
    ],
    [['ENV A b  c'], { Env: ['PATH=/bin', 'HOME=/root', 'A=b  c'] }],
    [[braces], { Env: ['PATH=/bin', 'HOME=/root', 'A=xy/root$'] }],
    [['WORKDIR app', 'WORKDIR ../b'], { WorkingDir: '/srv/b' }],
    [['WORKDIR /a b'], { WorkingDir: '/a b' }],
    [['USER 1000:50'], { User: '1000:50' }],
    [['LABEL a=b "c d"="e f"', 'LABEL a=g'], { Labels: { a: 'g', 'c d': 'e f' } }],
    [
      ['EXPOSE 80 443/tcp 53/UDP 8000-8002'],
      {
        ExposedPorts: {
          '80/tcp': {},
          '443/tcp': {},
          '53/udp': {},
          '8000/tcp': {},
          '8001/tcp': {},
          '8002/tcp': {},
        },
      },
    ],
    [['VOLUME /a /b', 'VOLUME ["/c d"]'], { Volumes: { '/a': {}, '/b': {}, '/c d': {} } }],
    [['STOPSIGNAL SIGINT'], { StopSignal: 'SIGINT' }],
    [['ONBUILD RUN x'], { OnBuild: ['RUN x'] }],
  ] as const) {
    test(changes.join('; '), () => {
      const { Cmd, ...rest } = { ...base, ...expected } as Record<string, unknown>;
      assert.deepEqual(applyInstructions(base, changes), Cmd === undefined ? rest : { ...rest, Cmd });
    });
  }

  for (const text of [
    '',
    'CMD',
    'FROM x',
    'RUN x',
    'ENV',
    'ENV =a',
    'ENV A=b c',
    'LABEL a=b c',
    'EXPOSE x',
    'EXPOSE 0',
    'EXPOSE 70000',
    'EXPOSE 9-8',
    'ENV A="b',
    "LABEL a='b",
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => applyInstructions(base, [text]),
        (error: ShaleError) => error.code === 'invalid',
      );
    });
  }

  test('a config that is odd already is no crash', () => {
    for (const odd of [
      { Env: 'x' },
      { Env: [1, null] },
      { Labels: [] },
      { Cmd: 5, ExposedPorts: null },
      { WorkingDir: 7 },
    ]) {
      applyInstructions(odd, ['ENV A=b', 'LABEL a=b', 'EXPOSE 1', 'WORKDIR x', 'CMD x']);
    }
  });
});
