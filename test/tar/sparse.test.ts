/** Maps of sparse files, good and bad, in the four spellings. What GNU tar writes is judged in test/oracle. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  archive,
  base256,
  block,
  content,
  entry,
  failure,
  gnuMagic,
  type Listed,
  type PaxRecord,
  padded,
  parseAll,
  pax,
} from './archive.ts';

type Map = readonly (readonly [offset: number, length: number])[];
type Spelling = (map: Map, realSize: number, stored: Buffer) => readonly Buffer[];

const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`;
const slots = (map: Map) => map.map(([offset, length]) => octal(offset) + octal(length)).join('');

const spellings: Readonly<Record<string, Spelling>> = {
  'old GNU': (map, realSize, stored) => {
    const parts: Buffer[] = [];
    for (let at = 4; at < map.length; at += 21) {
      const more = Buffer.alloc(512);
      more.write(slots(map.slice(at, at + 21)), 'latin1');
      more[504] = at + 21 < map.length ? 1 : 0;
      parts.push(more);
    }
    const raw = { 386: slots(map.slice(0, 4)), 482: map.length > 4 ? '\x01' : '\0', 483: octal(realSize) };
    return [block({ flag: 'S', magic: gnuMagic, size: stored.length, raw }), ...parts, padded(stored)];
  },
  'pax 0.0': (map, realSize, stored) => [
    pax([
      ['GNU.sparse.size', String(realSize)],
      ['GNU.sparse.numblocks', String(map.length)],
      ...map.flatMap(([offset, length]): PaxRecord[] => [
        ['GNU.sparse.offset', String(offset)],
        ['GNU.sparse.numbytes', String(length)],
      ]),
    ]),
    entry({}, stored),
  ],
  'pax 0.1': (map, realSize, stored) => [
    pax([
      ['GNU.sparse.size', String(realSize)],
      ['GNU.sparse.numblocks', String(map.length)],
      ['GNU.sparse.name', 'file'],
      ['GNU.sparse.map', map.flat().join(',')],
    ]),
    entry({ name: 'GNUSparseFile.0/file' }, stored),
  ],
  'pax 1.0': (map, realSize, stored) => [
    pax([
      ['path', 'GNUSparseFile.0/long'],
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'file'],
      ['GNU.sparse.realsize', String(realSize)],
    ]),
    entry({ name: 'x' }, Buffer.concat([padded(`${[map.length, ...map.flat()].join('\n')}\n`), stored])),
  ],
};

const many: Map = Array.from({ length: 200 }, (_, index) => [index * 10 + 1, 3]);
const good: readonly (readonly [what: string, map: Map, realSize: number])[] = [
  [
    'a hole in the middle',
    [
      [0, 5],
      [100, 7],
    ],
    107,
  ],
  ['holes at both ends', [[10, 5]], 5000],
  [
    'the end marked by an empty segment',
    [
      [10, 5],
      [5000, 0],
    ],
    5000,
  ],
  ['only a hole', [[700, 0]], 700],
  ['only a hole, no segment', [], 700],
  ['no hole', [[0, 512]], 512],
  [
    'segments that touch',
    [
      [0, 5],
      [5, 5],
    ],
    10,
  ],
  [
    'empty segments in between',
    [
      [5, 0],
      [7, 3],
      [10, 0],
      [20, 1],
    ],
    30,
  ],
  ['many', many, 2500],
  ['empty', [], 0],
];
const bad: readonly (readonly [what: string, map: Map, realSize: number, stored: number])[] = [
  [
    'overlap',
    [
      [0, 5],
      [4, 5],
    ],
    100,
    10,
  ],
  [
    'wrong order',
    [
      [50, 5],
      [0, 5],
    ],
    100,
    10,
  ],
  [
    'beyond the size',
    [
      [0, 5],
      [98, 5],
    ],
    100,
    10,
  ],
  ['an offset beyond the size', [[101, 0]], 100, 0],
  ['less than is stored', [[0, 5]], 100, 10],
  [
    'more than is stored',
    [
      [0, 5],
      [20, 10],
    ],
    100,
    10,
  ],
  [
    'an empty segment behind the cursor',
    [
      [0, 5],
      [2, 0],
    ],
    100,
    5,
  ],
];

const sum = (map: Map) => map.reduce((total, [, length]) => total + length, 0);
const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, index) => 1 + (index % 255)));

for (const [name, spell] of Object.entries(spellings)) {
  describe(name, () => {
    for (const [what, map, realSize] of good) {
      test(what, () => {
        const stored = bytes(sum(map));
        const expected = Buffer.alloc(realSize);
        let from = 0;
        for (const [offset, length] of map) from += stored.copy(expected, offset, from, from + length);
        const { entries } = parseAll(archive(...spell(map, realSize, stored), block({ name: 'next' })));
        assert.deepEqual(
          entries.map(read => [read.entry.path, read.entry.type]),
          [
            ['file', 'file'],
            ['next', 'file'],
          ],
        );
        assert.equal(entries[0]!.entry.size, realSize);
        assert.deepEqual(content(entries[0]!), expected);
        assert.deepEqual(holes(entries[0]!), realSize - stored.length);
      });
    }
    for (const [what, map, realSize, stored] of bad) {
      test(`refused: ${what}`, () => {
        const error = failure(archive(...spell(map, realSize, bytes(stored))));
        assert.equal(error.code, 'corrupt');
        assert.equal(error.detail.path, 'file');
      });
    }
    test('too many segments', () => {
      const parts = archive(...spell(many, 2500, bytes(sum(many))));
      assert.equal(parseAll(parts, { sparseSegments: 200 }).entries.length, 1);
      const error = failure(parts, { sparseSegments: 199 });
      assert.equal(error.code, 'exhausted');
      assert.equal(error.detail.limit, 199);
      assert.equal(error.detail.flag, '--max-sparse');
      assert.match(error.message, /--max-sparse/);
    });
    test('cut', () => {
      const parts = Buffer.concat(spell(many, 2500, bytes(sum(many))));
      for (const length of [parts.length - 512, parts.length - 1000]) {
        assert.equal(failure(parts.subarray(0, length)).code, 'corrupt');
      }
    });
  });
}

describe('other rules', () => {
  const sparse = (records: readonly PaxRecord[], data: string | Buffer = '') =>
    archive(pax(records), entry({}, data));
  const v1 = (map: string | Buffer, realSize = 10) =>
    sparse(
      [
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.realsize', String(realSize)],
      ],
      map,
    );

  test('sizes beyond octal', () => {
    const size = 2n ** 40n;
    const raw = { 386: Buffer.concat([base256(size - 1n, 12), base256(1n, 12)]), 483: base256(size, 12) };
    const { entries } = parseAll(archive(entry({ flag: 'S', magic: gnuMagic, raw }, 'x')));
    assert.deepEqual(entries[0]!.runs, [2 ** 40 - 1, Buffer.from('x')]);
  });

  test('numbers that overflow in a sum are refused', () => {
    const huge = String(Number.MAX_SAFE_INTEGER);
    const records: PaxRecord[] = [
      ['GNU.sparse.size', huge],
      ['GNU.sparse.map', `${huge},${huge}`],
    ];
    assert.equal(failure(sparse(records)).code, 'corrupt');
  });

  test('the record size counts, not the field, for what is stored', () => {
    const header = entry({ size: 0 });
    const parts = archive(
      pax([
        ['size', '5'],
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', '4,5'],
      ]),
      header,
      padded('hello'),
    );
    assert.deepEqual(parseAll(parts).entries[0]!.runs, [4, Buffer.from('hello')]);
  });

  for (const [what, records] of [
    [
      'an odd map',
      [
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', '4,5,6'],
      ],
    ],
    [
      'a map of words',
      [
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', 'a,b'],
      ],
    ],
    [
      'a map with an empty number',
      [
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.map', '4,'],
      ],
    ],
    ['no size', [['GNU.sparse.map', '0,0']]],
    [
      'an offset without numbytes',
      [
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.offset', '9'],
      ],
    ],
    [
      'numbytes first',
      [
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.numbytes', '9'],
        ['GNU.sparse.offset', '9'],
      ],
    ],
    [
      'a wrong count',
      [
        ['GNU.sparse.size', '9'],
        ['GNU.sparse.numblocks', '2'],
        ['GNU.sparse.map', '9,0'],
      ],
    ],
  ] as const) {
    test(`refused: ${what}`, () => assert.equal(failure(sparse(records)).code, 'corrupt'));
  }

  test('an unknown version', () => {
    for (const [major, minor] of [
      ['2', '0'],
      ['1', '1'],
      ['0', '2'],
    ] as const) {
      const error = failure(
        sparse([
          ['GNU.sparse.major', major],
          ['GNU.sparse.minor', minor],
          ['GNU.sparse.size', '0'],
        ]),
      );
      assert.equal(error.code, 'unsupported');
    }
  });

  for (const [what, map, code] of [
    ['no map', '', 'corrupt'],
    ['less than a block', '0\n', 'corrupt'],
    ['no end', Buffer.from(`999\n${'10\n'.repeat(340)}`), 'corrupt'],
    ['an unfinished map', padded('2\n0\n1\n'), 'corrupt'],
    ['letters', padded('one\n'), 'corrupt'],
    ['an empty line', padded('\n0\n'), 'corrupt'],
    ['a number out of range', padded('1\n99999999999999999999\n1\n'), 'invalid'],
    ['endless zeros', Buffer.alloc(512, '0'), 'invalid'],
    ['a huge count', padded('9007199254740991\n'), 'exhausted'],
  ] as const) {
    test(`refused: a map in the data with ${what}`, () => {
      assert.equal(failure(v1(map), { sparseSegments: 1000 }).code, code);
    });
  }

  test("'S' without GNU's magic, and two maps at once", () => {
    assert.equal(failure(archive(block({ flag: 'S' }))).code, 'invalid');
    const both = archive(
      pax([['GNU.sparse.size', '0']]),
      block({ flag: 'S', magic: gnuMagic, raw: { 483: octal(0) } }),
    );
    assert.equal(failure(both).code, 'corrupt');
  });

  test('a name alone is a path, not a map', () => {
    const { entries } = parseAll(
      archive(
        pax([
          ['path', 'p'],
          ['GNU.sparse.name', 'n'],
        ]),
        entry({}, 'abc'),
      ),
    );
    assert.equal(entries[0]!.entry.path, 'n');
    assert.deepEqual(content(entries[0]!), Buffer.from('abc'));
  });
});

function holes({ runs }: Listed): number {
  return runs.reduce<number>((total, run) => total + (typeof run === 'number' ? run : 0), 0);
}
