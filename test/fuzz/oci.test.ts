import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openImage } from '../../src/archive/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import {
  parseConfig,
  parseDigest,
  parseManifest,
  parsePlatform,
  parseReference,
  parseSource,
  parseTime,
} from '../../src/oci/index.ts';
import { Files, host, temporary } from '../archive/fixture.ts';
import { createRandom, readSeed } from '../model/random.ts';

const seed = readSeed();

/** A few bytes changed, removed or repeated. */
function mutate(bytes: Buffer, below: (limit: number) => number): Buffer {
  let result = Buffer.from(bytes);
  for (let times = 1 + below(4); times > 0 && result.length > 0; times--) {
    const at = below(result.length);
    const length = below(40);
    const kind = below(4);
    if (kind === 0) result[at] = below(256);
    else if (kind === 1) result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)]);
    else if (kind === 2) result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)]);
    else result.write(interesting[below(interesting.length)]!, at, 'latin1');
  }
  return result;
}
const interesting = [
  'null',
  '{}',
  '[]',
  '-1',
  '1e9',
  '"',
  '__proto__',
  '\0',
  '\xff',
  '../',
  'sha256:',
  'layers',
  '9'.repeat(20),
];

/** Runs `parse`; anything but a result or a ShaleError that is not `internal` fails the test. */
async function tame(parse: () => unknown, input: () => string): Promise<void> {
  try {
    await parse();
  } catch (error) {
    const known = error instanceof ShaleError && error.code !== 'internal';
    assert.ok(known, `SEED=${seed}: ${error instanceof Error ? error.stack : error}\n${input()}`);
  }
}

test(`documents and names, damaged (SEED=${seed})`, async () => {
  const { integer: below } = createRandom(seed);
  const files = new Files();
  const image = files.image(['a', 'b'], {
    config: { created: '2020-01-01T00:00:00.5+01:00', history: [{ created_by: 'x' }], variant: 'v3' },
    platform: { os: 'linux', architecture: 'arm64' },
  });
  files.index([image]);
  const documents = [...files.map.values()];
  const texts = [
    'linux/arm64/v8',
    `oci:a:b@${image.digest}`,
    'docker-archive:x.tar:@3',
    'docker.io/a/b:c',
    '2020-01-01T00:00:00Z',
  ];
  for (let round = 0; round < 4000; round++) {
    const bytes = mutate(documents[below(documents.length)]!, below);
    const text = mutate(Buffer.from(texts[below(texts.length)]!), below).toString('latin1');
    for (const parse of [parseManifest, parseConfig])
      await tame(
        () => parse(bytes),
        () => bytes.toString('latin1'),
      );
    for (const parse of [
      parsePlatform,
      parseSource,
      parseReference,
      parseDigest,
      (time: string) => parseTime(time, 'x'),
    ]) {
      await tame(
        () => parse(text),
        () => text,
      );
    }
  }
});

test(`archives, damaged (SEED=${seed})`, { timeout: 60_000 }, async () => {
  const { integer: below } = createRandom(seed + 1);
  const files = new Files();
  const image = files.image(['a', 'b']);
  const config = [...files.map.keys()].find(name => files.map.get(name)!.includes('diff_ids'))!;
  const Layers = [...files.map.keys()].slice(0, 2);
  files.layout(files.index([image])).put('manifest.json', [{ Config: config, RepoTags: ['x:1'], Layers }]);
  const tar = files.tar();
  await using directory = await temporary();
  const file = directory.file('image.tar');
  let opened = 0;
  for (let round = 0; round < 1500; round++) {
    const bytes = mutate(tar, below);
    await writeFile(file, bytes);
    for (const kind of ['oci-archive', 'docker-archive']) {
      await tame(
        async () => {
          const { layers } = await openImage(`${kind}:${file}`, { host });
          for (const layer of layers) {
            const { offset, size } = await layer.locate();
            assert.ok(offset + size <= bytes.length, `SEED=${seed}`);
          }
          opened++;
        },
        () => `round ${round}`,
      );
    }
  }
  assert.ok(opened > 0, 'no mutation was harmless: the test does not reach the end of the parsers');
});
