/** Expectations are those of containerd's own package filters: its documentation and the tests beside it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { compileFilters } from '../../src/daemon/filter/index.ts';
import { ShaleError } from '../../src/error/index.ts';

type Item = { name: string; other?: string; labels: Record<string, string> };
const items: readonly Item[] = [
  { name: 'foo', labels: { foo: 'true' } },
  { name: 'bar', labels: {} },
  { name: 'foo', other: 'foo', labels: { foo: 'present', 'more complex label': 'present' } },
  { name: 'bar', labels: { bar: 'true' } },
  { name: 'fooer', labels: { 'more complex label with \\ and "': 'present' } },
  { name: 'fooer', labels: { more: 'present', 漢字: 'x' } },
  { name: 'a b', labels: { 'dotted.name': 'sha256:0011' } },
];
const read =
  (item: Item) =>
  ([field, ...rest]: readonly string[]) => {
    if (field === 'labels') return item.labels[rest.join('.')];
    return field === 'name' ? item.name : field === 'other' ? item.other : undefined;
  };
const matching = (...filters: string[]) => {
  const wanted = compileFilters(filters);
  return items.flatMap((item, position) => (wanted(read(item)) ? [position] : []));
};

describe('filters', () => {
  for (const [filter, expected] of [
    ['', [0, 1, 2, 3, 4, 5, 6]],
    ['name', [0, 1, 2, 3, 4, 5, 6]],
    ['missing', []],
    ['labels.foo', [0, 2]],
    ['labels.foo==true', [0]],
    ['labels.foo!=true', [1, 2, 3, 4, 5, 6]],
    ['name==bar', [1, 3]],
    ['name != bar', [0, 2, 4, 5, 6]],
    ['name==foo,labels.bar', []],
    ['name==foo,labels.foo==present', [2]],
    ['name==foo, labels.foo', [0, 2]],
    ['labels."more complex label"==present', [2]],
    [String.raw`labels."more complex label with \\ and \""==present`, [4]],
    ['name=="a b"', [6]],
    [String.raw`name=="\x61\040\u0062"`, [6]],
    [String.raw`labels."\346\274\242\U00005b57"==x`, [5]],
    ['labels.dotted.name==sha256:0011', [6]],
    ['labels."dotted.name"==sha256:0011', [6]],
    ['name~=foo', [0, 2, 4, 5]],
    ['name~=^foo$', [0, 2]],
    ['name~="^foo$"', [0, 2]],
    ['name~=/^foo$/', [0, 2]],
    ['name~=|^(foo/)*foo$|', [0, 2]],
    [String.raw`name~=/a\\sb/`, [6]],
    ['name~=/(?i)^FOO$/', [0, 2]],
    [String.raw`name~=/\\Afoo\\z/`, [0, 2]],
    ['name~=/^[[:alpha:]]+$/', [0, 1, 2, 3, 4, 5]],
    ['name~=/(?P<letter>f)oo/', [0, 2, 4, 5]],
    [String.raw`labels."dotted.name"~=/\\Qsha256:\\E\\d+/`, [6]],
    ['other~=^$', [0, 1, 3, 4, 5, 6]],
    ['other!=foo', [0, 1, 3, 4, 5, 6]],
  ] as const) {
    test(filter === '' ? 'an empty one' : filter, () => assert.deepEqual(matching(filter), expected));
  }

  test('one of several is enough, none is no limit', () => {
    assert.deepEqual(matching('name==bar', 'name=="a b"'), [1, 3, 6]);
    assert.deepEqual(matching(), [0, 1, 2, 3, 4, 5, 6]);
  });

  test('a pattern that takes others for ever is no matter, for the daemon does one thing at a time', () => {
    const filters = [
      `name~="${'a?'.repeat(40)}${'a'.repeat(40)}b"`,
      'name~="^(a|a)*b?c$"',
      String.raw`name~="\\A(a+)+c?d\\z"`,
    ];
    const script = `import { compileFilters } from ${JSON.stringify(new URL('../../src/daemon/filter/index.ts', import.meta.url).href)};
      for (const filter of ${JSON.stringify(filters)}) console.log(compileFilters([filter])(() => 'a'.repeat(40) + 'x'));`;
    const options = { encoding: 'utf8', timeout: 20_000 } as const;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], options);
    assert.equal(stdout, 'false\nfalse\nfalse\n');
  });

  for (const filter of [
    ...[
      'name=',
      'name==',
      'name===foo',
      'name=~foo',
      '==foo',
      ',',
      'name,',
      'name==foo,',
      'a..b',
      '.a',
      'a.',
    ],
    ...[
      'name foo',
      'name==foo bar',
      'name=="foo',
      'name==|foo|',
      'labels./foo/',
      'name~=(',
      '\u0001',
      'näme',
    ],
    ...[String.raw`name=="\q"`, String.raw`name=="\18"`, String.raw`name=="\x6"`, 'name=="a\nb"'],
  ]) {
    test(`not ${JSON.stringify(filter)}`, () => {
      assert.throws(
        () => matching(filter),
        (error: unknown) =>
          error instanceof ShaleError && error.code === 'invalid' && error.hint !== undefined,
      );
    });
  }
});
