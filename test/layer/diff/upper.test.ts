/** What the kernel's OverlayFS leaves in an upper directory, and what the other forms do, read back as changes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { type ShaleError, Warnings } from '../../../src/error/index.ts';
import { makeNode, setXattr } from '../../../src/host/index.ts';
import {
  type ChangeEntry,
  compareDirectories,
  listChanges,
  readUpper,
  type WhiteoutForm,
} from '../../../src/layer/index.ts';
import { createScratch } from '../../host/scratch.ts';
import { requires } from '../../requirement.ts';
import { recordsOf } from './records.ts';

const skip = requires({ root: true, tools: ['unshare', 'setfattr'], mounts: ['overlay'] });

/** Type, path and what it holds, one line a record. */
async function show(changes: AsyncIterable<ChangeEntry>, file: string): Promise<string[]> {
  const records = await recordsOf(changes, file);
  return records.map(({ type, path, mode, linkpath, content }) =>
    [type, path, mode.toString(8), linkpath, content].filter(word => word !== '').join(' '),
  );
}

async function list(changes: AsyncIterable<ChangeEntry>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { kind, path, opaque } of listChanges(changes))
    lines.push(`${kind} /${path}${opaque ? ' opaque' : ''}`);
  return lines;
}

/** Runs a script in the merged view of `lower` and `upper`, made in the scratch directory. */
function changeMerged(
  path: string,
  lower: string,
  script: string,
  options = 'metacopy=off,redirect_dir=off,index=off',
): void {
  const words = `
    cd "$0"; mkdir -p lower upper work merged; (cd lower; ${lower}); find lower -depth -exec touch -h -d @1500000000.25 {} +; touch -d @1500000000.25 upper
    mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work,${options} shale-test merged; cd merged; ${script}`;
  execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', words, path], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

describe('the kernel', { skip }, () => {
  const lower =
    'mkdir -p d/e f; echo one > d/e/one; echo two > d/two; ln d/two d/three; echo x > f/x; chmod 750 d; ln -s nowhere l';

  test('a file that was copied up and is as it was is not in the layer, nor are its parents', async () => {
    using scratch = createScratch();
    changeMerged(
      scratch.path,
      lower,
      'chmod 600 d/e/one; chmod 644 d/e/one; chown -h 5 l; chown -h 0 l; chmod 700 f; chmod 755 f',
    );
    assert.ok(lstatSync(scratch.at('upper/d/e/one')).isFile());
    const upper = () => readUpper({ path: scratch.at('upper'), form: 'overlay', lower: scratch.at('lower') });
    assert.deepEqual(await show(upper(), scratch.at('layer')), []);
    assert.deepEqual(await list(upper()), []);
  });

  test('what changed is there with its parents as they are', async () => {
    using scratch = createScratch();
    changeMerged(
      scratch.path,
      lower,
      'echo more >> d/e/one; rm f/x; ln d/two new; mkdir f/g; rm -r d/e/none 2>/dev/null || true; touch -d @1500000000.25 d f .',
    );
    const upper = () => readUpper({ path: scratch.at('upper'), form: 'overlay', lower: scratch.at('lower') });
    assert.deepEqual(await show(upper(), scratch.at('layer')), [
      'directory d/ 750',
      'directory d/e/ 755',
      'file d/e/one 644 one\nmore\n',
      'file d/two 644 two\n',
      'directory f/ 755',
      'directory f/g/ 755',
      'file f/.wh.x 0',
      'hardlink new 644 d/two',
    ]);
    assert.deepEqual(await list(upper()), [
      'changed /d/e/one',
      'changed /d/two',
      'added /f/g',
      'deleted /f/x',
      'added /new',
    ]);
  });

  test('a directory that was removed and made again is opaque, and all in it is there', async () => {
    using scratch = createScratch();
    changeMerged(
      scratch.path,
      lower,
      'cp -a d/e/one kept; rm -r d/e; mkdir d/e; mv kept d/e/one; mkdir new new/er; touch -d @1500000000.25 d .',
    );
    const upper = () => readUpper({ path: scratch.at('upper'), form: 'overlay', lower: scratch.at('lower') });
    assert.deepEqual(await show(upper(), scratch.at('layer')), [
      'directory d/ 750',
      'directory d/e/ 755',
      'file d/e/.wh..wh..opq 0',
      'file d/e/one 644 one\n',
      'directory new/ 755',
      'directory new/er/ 755',
    ]);
    assert.deepEqual(await list(upper()), [
      'changed /d/e opaque',
      'added /d/e/one',
      'added /new',
      'added /new/er',
    ]);
  });

  test('metadata alone (metacopy), with and without a new name, takes the content from below', async () => {
    using scratch = createScratch();
    changeMerged(
      scratch.path,
      lower,
      'chmod 600 d/e/one; mv f/x moved; chmod 700 moved; mv d/two d/renamed; touch -d @1500000000.25 d f .',
      'metacopy=on,redirect_dir=on,index=off',
    );
    const upper = () => readUpper({ path: scratch.at('upper'), form: 'overlay', lower: scratch.at('lower') });
    assert.equal(
      execFileSync('getfattr', [
        '--absolute-names',
        '-n',
        'trusted.overlay.metacopy',
        scratch.at('upper/moved'),
      ]).length > 0,
      true,
    );
    assert.deepEqual(await show(upper(), scratch.at('layer')), [
      'directory d/ 750',
      'directory d/e/ 755',
      'file d/e/one 600 one\n',
      'file d/renamed 644 two\n',
      'file d/.wh.two 0',
      'directory f/ 755',
      'file f/.wh.x 0',
      'file moved 700 x\n',
    ]);
    const alone = readUpper({ path: scratch.at('upper'), form: 'overlay' });
    await assert.rejects(
      recordsOf(alone, scratch.at('alone')),
      (error: ShaleError) => error.code === 'unsupported',
    );
  });

  test('a directory that was renamed below cannot be said', async () => {
    using scratch = createScratch();
    changeMerged(scratch.path, lower, 'mv d moved', 'redirect_dir=on,index=off');
    const upper = readUpper({ path: scratch.at('upper'), form: 'overlay', lower: scratch.at('lower') });
    await assert.rejects(recordsOf(upper, scratch.at('layer')), (error: ShaleError) => {
      assert.equal(error.code, 'unsupported');
      assert.match(`${error.message} ${error.hint}`, /\/moved .*redirect_dir=off/);
      return true;
    });
  });
});

describe('marks', { skip }, () => {
  test('each form reads its own, and what is not its own is no mark', async () => {
    using scratch = createScratch();
    const upper = scratch.at('upper');
    for (const name of ['trusted', 'user', 'fuse', 'file'])
      mkdirSync(`${upper}/${name}`, { recursive: true });
    setXattr(`${upper}/trusted`, 'trusted.overlay.opaque', Buffer.from('y'));
    setXattr(`${upper}/user`, 'user.overlay.opaque', Buffer.from('y'));
    setXattr(`${upper}/fuse`, 'user.fuseoverlayfs.opaque', Buffer.from('y'));
    const opaque = async (form: Exclude<WhiteoutForm, 'plain'>) =>
      (await show(readUpper({ path: upper, form }), scratch.at(form))).filter(line => line.includes('opq'));
    assert.deepEqual(await opaque('overlay'), ['file trusted/.wh..wh..opq 0']);
    assert.deepEqual(await opaque('overlay-user'), ['file user/.wh..wh..opq 0']);
    writeFileSync(`${upper}/file/.wh..wh..opq`, '');
    const all = ['file', 'fuse', 'trusted', 'user'].map(name => `file ${name}/.wh..wh..opq 0`);
    assert.deepEqual(await opaque('fuse-overlayfs'), all);
    assert.deepEqual(await opaque('aufs'), all.slice(0, 1));
  });

  test('whiteouts as xattrs (Linux 6.7) count in a directory that says so', async () => {
    using scratch = createScratch();
    const upper = scratch.at('upper');
    for (const name of ['x', 'plain']) {
      mkdirSync(`${upper}/${name}`, { recursive: true });
      writeFileSync(`${upper}/${name}/gone`, '');
      setXattr(`${upper}/${name}/gone`, 'trusted.overlay.whiteout', new Uint8Array());
    }
    setXattr(`${upper}/x`, 'trusted.overlay.opaque', Buffer.from('x'));
    const lines = await show(readUpper({ path: upper, form: 'overlay' }), scratch.at('layer'));
    assert.deepEqual(lines.slice(1), [
      'directory plain/ 755',
      'file plain/gone 644',
      'directory x/ 755',
      'file x/.wh.gone 0',
    ]);
  });

  test('marks of what is not below say nothing', async () => {
    using scratch = createScratch();
    mkdirSync(scratch.at('lower'));
    mkdirSync(scratch.at('upper/d'), { recursive: true });
    makeNode(scratch.at('upper/gone'), 'character', 0, 0);
    makeNode(scratch.at('upper/d/gone'), 'character', 0, 0);
    setXattr(scratch.at('upper/d'), 'trusted.overlay.opaque', Buffer.from('y'));
    const upper = readUpper({ path: scratch.at('upper'), form: 'overlay', lower: scratch.at('lower') });
    assert.deepEqual(
      (await show(upper, scratch.at('layer'))).filter(line => !line.includes('./')),
      ['directory d/ 755'],
    );
  });
});

describe('two directories', { skip }, () => {
  const pair = () => {
    const scratch = createScratch();
    for (const name of ['older', 'newer']) {
      mkdirSync(scratch.at(name));
      writeFileSync(scratch.at(`${name}/a`), 'same');
      writeFileSync(scratch.at(`${name}/b`), 'same');
    }
    const settle = () => {
      for (const side of ['older', 'newer']) {
        execFileSync('find', [
          scratch.at(side),
          '-depth',
          '-exec',
          'touch',
          '-h',
          '-d',
          '@1500000000.25',
          '{}',
          '+',
        ]);
      }
    };
    const changes = (contents: 'read' | 'by-time' = 'read') => {
      settle();
      return show(
        compareDirectories({ older: scratch.at('older'), newer: scratch.at('newer') }, { contents }),
        scratch.at(`layer-${Math.random()}`),
      );
    };
    return Object.assign(scratch, { changes });
  };

  test('content of the same size and time', async () => {
    using scratch = pair();
    writeFileSync(scratch.at('newer/a'), 'diff');
    assert.deepEqual(await scratch.changes('by-time'), []);
    assert.deepEqual(await scratch.changes(), ['file a 644 diff']);
  });

  test('one file that became two, and two that became one', async () => {
    using scratch = pair();
    rmSync(scratch.at('older/b'));
    linkSync(scratch.at('older/a'), scratch.at('older/b'));
    assert.deepEqual(await scratch.changes(), ['file b 644 same']);
    for (const [from, to] of [
      ['older', 'x'],
      ['newer', 'older'],
      ['x', 'newer'],
    ] as const)
      renameSync(scratch.at(from), scratch.at(to));
    assert.deepEqual(await scratch.changes(), ['file a 644 same', 'hardlink b 644 a']);
  });

  test('a file for a directory, a directory for a file, a symlink for either', async () => {
    using scratch = pair();
    for (const name of ['c', 'd', 'e']) mkdirSync(scratch.at(`older/${name}/in`), { recursive: true });
    writeFileSync(scratch.at('newer/c'), 'c');
    symlinkSync('a', scratch.at('newer/d'));
    rmSync(scratch.at('newer/a'));
    mkdirSync(scratch.at('newer/a'));
    assert.deepEqual(await scratch.changes(), [
      'directory a/ 755',
      'file c 644 c',
      'symlink d 777 a',
      'file .wh.e 0',
    ]);
  });

  test('metadata alone', async () => {
    using scratch = pair();
    setXattr(scratch.at('newer/a'), 'user.x', Buffer.from('1'));
    mkdirSync(scratch.at('older/d'));
    mkdirSync(scratch.at('newer/d'), 0o700);
    assert.deepEqual(await scratch.changes(), ['file a 644 same', 'directory d/ 700']);
    utimesSync(scratch.at('newer/b'), 1, 1);
    lutimesSync(scratch.at('older'), 5, 5);
    const raw = compareDirectories({ older: scratch.at('older'), newer: scratch.at('newer') });
    assert.deepEqual(await list(raw), ['changed /', 'changed /a', 'changed /b', 'changed /d']);
  });

  test('a socket, a 0:0 device and a name that marks a deletion', async () => {
    using scratch = pair();
    rmSync(scratch.at('newer/a'));
    const server = createServer().listen(scratch.at('newer/a')).unref();
    await new Promise(resolve => server.once('listening', resolve));
    makeNode(scratch.at('newer/c'), 'character', 0, 0);
    const warnings = new Warnings();
    const sides = { older: scratch.at('older'), newer: scratch.at('newer') };
    const lines = await show(compareDirectories(sides, { warnings }), scratch.at('layer'));
    server.close();
    assert.deepEqual(
      lines.filter(line => !line.includes('./') && !line.startsWith('file b')),
      ['file .wh.a 0'],
    );
    assert.deepEqual([...warnings.counts].sort(), [
      ['left-out', 1],
      ['whiteout-device', 1],
    ]);
    writeFileSync(scratch.at('newer/.wh.x'), '');
    await assert.rejects(recordsOf(compareDirectories(sides), scratch.at('again')), { code: 'unsupported' });
  });

  test('a file that changes while it is read, a limit, an abort: no layer', async () => {
    using scratch = pair();
    writeFileSync(scratch.at('newer/big'), Buffer.alloc(2 ** 20));
    const sides = { older: undefined, newer: scratch.at('newer') };
    const meddled = (async function* () {
      for await (const entry of compareDirectories(sides)) {
        if (entry.path === 'big') writeFileSync(scratch.at('newer/big'), 'short');
        yield entry;
      }
    })();
    await assert.rejects(recordsOf(meddled, scratch.at('layer')), { code: 'conflict' });
    await assert.rejects(
      recordsOf(compareDirectories(sides), scratch.at('layer'), { limits: { entries: 2 } }),
      { code: 'exhausted' },
    );
    const signal = AbortSignal.abort();
    await assert.rejects(recordsOf(compareDirectories(sides, { signal }), scratch.at('layer')), {
      code: 'cancelled',
    });
    assert.equal(lstatSync(scratch.at('layer'), { throwIfNoEntry: false }), undefined);
  });
});
