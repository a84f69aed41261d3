/** What the documents say: the README's commands and example run as they stand, tables are what the code has, links lead somewhere. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { commandGroups, summaryOf } from '../src/cli/command/index.ts';
import { limitNames, options } from '../src/cli/option.ts';
import { errorCodes, exitStatus, warningCodes } from '../src/error/index.ts';
import { requires } from './requirement.ts';

const root = path.join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const readme = read('README.md');
const architecture = read('ARCHITECTURE.md');

/** The fenced blocks of a language, in order. */
const blocksOf = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(found => found[1]!);

describe('README', { skip: requires({ tools: ['sh', 'tar', 'sha256sum'] }) }, () => {
  let scratch: string;
  before(() => {
    scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'shale-readme-')));
    mkdirSync(path.join(scratch, 'bin'));
    mkdirSync(path.join(scratch, 'tour'));
    symlinkSync(path.join(root, 'bin', 'shale.js'), path.join(scratch, 'bin', 'shale'));
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  /** Runs a program in the directory of the tour, with this Node and `shale` on the PATH. */
  const run = (program: string, ...args: string[]) => {
    const { SOURCE_DATE_EPOCH: _, ...environment } = process.env;
    const PATH = [path.join(scratch, 'bin'), path.dirname(process.execPath), process.env.PATH].join(
      path.delimiter,
    );
    const ended = spawnSync(program, args, {
      cwd: path.join(scratch, 'tour'),
      env: { ...environment, PATH },
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(ended.status, 0, `${program} ${args.join(' ')}\n${ended.stdout}${ended.stderr}`);
    return ended.stdout;
  };

  test('the tour runs as it stands, and does what the text beside it says', () => {
    const blocks = blocksOf(readme, 'sh');
    assert.ok(blocks.length > 5, 'no tour found');
    const output = blocks.map(block => run('sh', '-eu', '-c', block)).join('');
    assert.match(output, /^Welcome back\.$/m, 'cat shows the file of the upper layer');
    assert.match(output, /^.*bin\/hi link to .*bin\/hello$/m, 'the tar has the hardlink');
    const below = path.join(scratch, 'tour', 'rootfs', 'etc');
    assert.deepEqual(globSync('**', { cwd: below }).sort(), ['.', 'motd'], 'the deleted file is gone');
  });

  test('what takes root runs as it stands, too', {
    skip: requires({ mounts: ['overlay'], tools: ['unshare'] }),
  }, () => {
    const blocks = blocksOf(readme, 'sh root');
    assert.equal(blocks.length, 1);
    const words = ['--mount', '--propagation', 'private', 'env', `SHALE_ROOT=${path.join(scratch, 'root')}`];
    const output = run('unshare', ...words, 'sh', '-eu', '-c', blocks[0]!);
    const lines = output.split('\n').filter(Boolean);
    assert.deepEqual(lines.filter(line => /^[ACD] /.test(line)).sort(), [
      ...['C /bin', 'C /etc/motd', 'D /bin/hi'],
    ]);
    assert.equal(lines.at(-1), 'Welcome home.');
  });

  test('the library example compiles and runs', () => {
    const examples = blocksOf(readme, 'ts');
    assert.equal(examples.length, 1);
    const tour = path.join(scratch, 'tour');
    const engine = path.relative(tour, path.join(root, 'src', 'engine', 'index.ts'));
    writeFileSync(path.join(tour, 'package.json'), '{ "type": "module" }');
    writeFileSync(path.join(tour, 'example.ts'), examples[0]!.replace("'shale'", JSON.stringify(engine)));
    const configuration = {
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: { typeRoots: [path.join(root, 'node_modules', '@types')] },
      files: ['example.ts'],
      include: [],
    };
    writeFileSync(path.join(tour, 'tsconfig.json'), JSON.stringify(configuration));
    // What is wrong with the sources themselves is for `npm run check` to say.
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout, signal } = spawnSync(process.execPath, [tsc, '-p', '.'], { cwd: tour, encoding: 'utf8' });
    assert.equal(signal, null);
    assert.doesNotMatch(stdout, /^(example\.ts|error|tsconfig)/m);
    const output = run(process.execPath, 'example.ts');
    assert.match(output, /library\.sqfs: squashfs, \d+ bytes, \d+ inodes\n.*library\.tar: tar, /s);
    assert.match(output, /^Welcome back\.$/m);
  });

  test('names every command with its manual page, and every limit with its default', () => {
    for (const topic of commandGroups.flatMap(({ names }) => names)) {
      assert.ok(
        readme.includes(`| [\`${topic}\`](doc/man/shale-${topic}.md) | ${summaryOf(topic)} |`),
        topic,
      );
    }
    for (const flag of Object.keys(limitNames) as (keyof typeof limitNames)[]) {
      const { default: value, help } = options[flag];
      assert.ok(readme.includes(`| \`--${flag}\` | ${value} | ${help}`), `--${flag}`);
    }
  });

  test('names what the package exports', () => {
    const names = Object.keys(JSON.parse(read('package.json')).exports).filter(
      name => !/^\.$|json$/.test(name),
    );
    for (const name of names) assert.ok(readme.includes(`\`shale${name.slice(1)}\``), name);
  });
});

describe('ARCHITECTURE', () => {
  test('has the table of folders that the tests hold imports to', () => {
    const law = [
      ...read('test/imports.test.ts').matchAll(/^ {2}(\w+): (?:\[(.*)\]|'(.*)'\.split\(' '\)),$/gm),
    ].map(([, folder, list, text]) => [folder, text ?? list!.replace(/[',]/g, '')]);
    const table = [...architecture.matchAll(/^ {2}(\w+)\/ .*-> ?(.*)$/gm)].map(([, folder, targets]) => [
      folder,
      targets,
    ]);
    assert.ok(law.length > 10);
    assert.deepEqual(table, law);
  });

  test('has every error code with its exit status, and every warning', () => {
    for (const code of errorCodes)
      assert.match(architecture, new RegExp(`^\\| \`${code}\` \\| ${exitStatus[code]} \\|`, 'm'), code);
    for (const code of warningCodes) assert.ok(architecture.includes(`\`${code}\``), code);
  });

  test('has the twelve rules of the merge, in order', () => {
    const [, section = ''] = architecture.split(/^## Merge semantics$/m);
    const rules = [...section.split(/^## /m)[0]!.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      rules,
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
  });
});

const documents = globSync(['*.md', 'doc/**/*.md'], { cwd: root }).sort();

for (const document of documents) {
  test(`${document}: links lead to files and headings that are there`, () => {
    const text = read(document).replace(/^```.*?^```$/gms, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [file = '', heading] = target!.split('#');
      const place = file === '' ? document : path.join(path.dirname(document), file);
      assert.ok(existsSync(path.join(root, place)), `${target} is not there`);
      if (heading !== undefined) assert.ok(headingsOf(read(place)).includes(heading), `no heading ${target}`);
    }
  });
}

/** Headings as links name them. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
