/**
 * A NUL within a path: C programs see what stands before it, others all of it, so a check and an extraction can disagree
 * about the file. In a record it is refused; in a header's field and in GNU's long names a NUL is the end by definition.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archive, block, entry, failure, parseOne, pax } from '../tar/archive.ts';

test('in a pax record, own or global', () => {
  for (const keyword of ['path', 'linkpath', 'GNU.sparse.name', 'SCHILY.xattr.user.a\0b']) {
    for (const value of ['good\0../../evil', '\0', 'a\0']) {
      const records = [[keyword, value]] as const;
      const error = failure(archive(pax(records), block({ flag: '2', linkname: 't' })));
      assert.equal(error.code, 'invalid', keyword);
      assert.match(error.message, /NUL|name an xattr/);
      assert.equal(failure(archive(pax(records, 'g'), block({}))).code, 'invalid', keyword);
    }
  }
});

test('in a field and in a long name it is the end', () => {
  assert.equal(parseOne(block({ name: 'good\0evil' })).entry.path, 'good');
  assert.equal(parseOne(block({ name: 'good', prefix: 'a\0b' })).entry.path, 'a/good');
  assert.equal(parseOne(entry({ flag: 'L' }, 'good\0evil\0'), block({})).entry.path, 'good');
});
