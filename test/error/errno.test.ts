import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { errnoMessage, errnoName, isErrno, ShaleError, wrapErrno } from '../../src/error/index.ts';
import { needsLinux } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

test('the names and the words are those of the C library', {
  skip: needsLinux || requires({ tools: ['python3'] }),
}, () => {
  const program =
    'import errno, json, os\n' +
    'names = [n for n in dir(errno) if n[0] == "E" and n != "ENOTSUP"]\n' +
    'print(json.dumps([[getattr(errno, n), n, os.strerror(getattr(errno, n))] for n in names]))';
  const all: [number, string, string][] = JSON.parse(
    execFileSync('python3', ['-c', program], { encoding: 'utf8' }),
  );
  const wrong: unknown[] = [];
  let ours = 0;
  for (const [number] of all) {
    const same = all.filter(([other]) => other === number);
    const name = errnoName(number);
    if (/^E\d/.test(name)) continue;
    ours += 1;
    if (!same.some(([, known]) => known === name) && name !== 'ENOTSUP') wrong.push([number, name]);
    // Of what Node has words for they are libuv's.
    const words = errnoMessage(number);
    const unknown = ['ENOTBLK', 'ENOPKG', 'EUCLEAN', 'ENOKEY', 'EKEYREJECTED', 'EDQUOT', 'ESTALE', 'EBADMSG'];
    if ([...unknown, 'ENOTSUP', 'ENOLCK'].includes(name)) {
      if (words !== same[0]![2].toLowerCase()) wrong.push([name, words]);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(ours > 80, `${ours}`);
});

test('an error that Node has no name for has one', () => {
  for (const code of ['UNKNOWN', 'Unknown system error -117']) {
    const error = Object.assign(new Error(`${code}: read`), { code, errno: -117, syscall: 'read' });
    assert.ok(isErrno(error, 'EUCLEAN') && isErrno(error) && !isErrno(error, 'EIO'));
    const wrapped = wrapErrno(error, 'cannot read x');
    assert.ok(wrapped instanceof ShaleError);
    assert.equal(wrapped.code, 'corrupt');
    assert.equal(wrapped.message, 'cannot read x: structure needs cleaning (EUCLEAN)');
  }
});

test('an errno with two names goes by either', () => {
  const error = Object.assign(new Error('x'), { code: errnoName(95), errno: -95, syscall: 'ioctl' });
  assert.ok(isErrno(error, 'EOPNOTSUPP') && isErrno(error, 'ENOTSUP') && !isErrno(error, 'ENOTTY'));
});

test('what is no failure of a call stays as it is', () => {
  const error = Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.equal(wrapErrno(error, 'cannot read x'), error);
  assert.ok(!isErrno(error) && !isErrno('ENOENT') && !isErrno(undefined));
});
