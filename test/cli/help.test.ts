import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  type Command,
  type CommandName,
  commandGroups,
  commandNames,
  commands,
  familyNames,
  findFamily,
  membersOf,
  refineOption,
  summaryOf,
} from '../../src/cli/command/index.ts';
import { formatHelp, formatOverview } from '../../src/cli/help.ts';
import { formatManual, formatManualOverview, manualPage } from '../../src/cli/manual.ts';
import { type Option, type OptionName, options } from '../../src/cli/option.ts';
import { parseCommandLine } from '../../src/cli/parse.ts';
import { limitTable } from '../../src/engine/limits.ts';
import { exitStatus } from '../../src/error/index.ts';
import { bin, run, shale, temporary } from './fixture.ts';

const manual = path.join(import.meta.dirname, '..', '..', 'doc', 'man');
const table: Readonly<Record<string, Option>> = options;

for (const name of commandNames) {
  const command: Command = commands[name];
  test(`help of ${name}: every flag, every operand, examples that parse, no line too long`, () => {
    const help = formatHelp(name);
    for (const option of command.options) {
      assert.match(help, new RegExp(`^ .*--${option}( |$)`, 'm'));
      const { short, choices = [] } = refineOption(option, name);
      if (short !== undefined) assert.ok(help.includes(`-${short}, --${option}`), option);
      for (const choice of choices) assert.ok(help.includes(choice), `${option}: ${choice}`);
    }
    for (const operand of command.operands) assert.ok(help.includes(operand.name));
    for (const line of help.split('\n')) assert.ok([...line].length <= 100, line);
    assert.ok(command.examples.length > 0 && help.includes('\nExamples:\n'));
    for (const { line } of command.examples) {
      assert.ok(help.includes(line));
      const [, ...words] = wordsOf(line.replace(/ ([|<>]|\|\|) .*$/, ''));
      assert.equal(parseCommandLine(words).topic, name, line);
    }
  });

  test(`manual of ${name}: what the tables say, flags and exit statuses included`, () => {
    const text = readFileSync(path.join(manual, manualPage(name)), 'utf8');
    for (const option of command.options) assert.ok(text.includes(`--${option}`), option);
    for (const status of Object.values(exitStatus)) assert.match(text, new RegExp(`^\\| ${status} \\|`, 'm'));
    // Write it anew with: node bin/shale.js help COMMAND --markdown > doc/man/shale-COMMAND.md
    assert.equal(text, formatManual(name));
  });
}

/** As a shell splits them. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!);
}

for (const family of familyNames) {
  test(`help of ${family}: every command of it, no line too long`, () => {
    const help = formatHelp(family);
    for (const name of membersOf(family))
      assert.ok(help.includes(`\n  ${name.slice(family.length + 1)} `), name);
    for (const line of help.split('\n')) assert.ok([...line].length <= 100, line);
    assert.equal(formatManual(family), readFileSync(path.join(manual, manualPage(family)), 'utf8'));
  });
}

test('every command is in one group of the overview, or in a family that is', () => {
  const topics = commandGroups.flatMap(({ names }) => names);
  const named = topics.flatMap(topic =>
    findFamily(topic) ? [...membersOf(topic as 'zone')] : [topic as CommandName],
  );
  assert.deepEqual(named.sort(), [...commandNames].sort());
});

test('a refinement is of a flag that the command has, and narrows its choices', () => {
  for (const name of commandNames) {
    const { refinements = {}, options: given }: Command = commands[name];
    for (const [option, { choices }] of Object.entries(refinements)) {
      assert.ok(given.includes(option as OptionName), `${name} --${option}`);
      for (const choice of choices ?? []) assert.ok(table[option]!.choices!.includes(choice), choice);
    }
  }
});

test('the overview names every command, and the manual has a page for each and no other', () => {
  for (const topic of commandGroups.flatMap(({ names }) => names)) {
    assert.match(formatOverview(), new RegExp(`^  ${topic} `, 'm'));
    assert.ok(formatOverview().includes(summaryOf(topic)));
  }
  for (const line of formatOverview().split('\n')) assert.ok(line.length <= 100, line);
  assert.equal(readFileSync(path.join(manual, 'shale.md'), 'utf8'), formatManualOverview());
  assert.deepEqual(readdirSync(manual).sort(), ['shale.md', ...new Set(commandNames.map(manualPage))].sort());
});

test('the manual knows every variable that the sources read', () => {
  const src = path.join(import.meta.dirname, '..', '..', 'src');
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .flatMap(file => [
      ...readFileSync(path.join(src, file), 'utf8').matchAll(
        /\b(?:findVariable|variable|either)\('([A-Z_]+)'\)/g,
      ),
    ])
    .map(([, name]) => name!)
    .filter(name => !/^(LC_|LANG$)/.test(name));
  assert.ok(names.length > 0);
  for (const name of names)
    assert.match(formatManualOverview(), new RegExp(`^- \`([A-Z_]+, )*${name}(, [A-Z_]+)*\`: `, 'm'), name);
});

test('every limit of the engine has its flag wherever layers are read', () => {
  const flags = new Set(Object.values(limitTable).map(({ flag }) => flag.slice(2)));
  for (const name of ['pull', 'render', 'inspect', 'verify', 'why', 'ls', 'cat'] as const) {
    const given: readonly string[] = commands[name].options;
    assert.deepEqual(
      [...flags].filter(flag => !given.includes(flag)),
      [],
      name,
    );
  }
});

test('no two flags of a command share a letter', () => {
  for (const name of commandNames) {
    // A command may take the letter of --verbose, which only --version needs.
    const letters = [...commands[name].options, 'help', 'version'].flatMap(
      option => table[option]!.short ?? [],
    );
    assert.equal(new Set(letters).size, letters.length, name);
  }
});

test('help and version go to standard output, with status 0; no command at all is wrong usage', async () => {
  const [help, command, word, version, verbose, json, nothing] = await Promise.all(
    ['--help', 'render -h', 'help render', '--version', '-Vv', '--version --json', ''].map(line =>
      shale(line.split(' ').filter(Boolean)),
    ),
  );
  for (const { status, stderr } of [help!, command!, word!, version!, verbose!, json!])
    assert.deepEqual([status, stderr], [0, '']);
  assert.equal(help!.stdout.toString(), formatOverview());
  assert.equal(command!.stdout.toString(), formatHelp('render'));
  assert.equal(word!.stdout.toString(), formatHelp('render'));
  assert.match(version!.stdout.toString(), /^shale \d+\.\d+\.\d+\S*\n$/);
  assert.match(verbose!.stdout.toString(), /^node 2\d\.\d+\.\d+$[\s\S]*^zstd 1\.\d+\.\d+$/m);
  const { shale: own, node, zstd } = JSON.parse(json!.stdout.toString());
  assert.deepEqual(
    [version!.stdout.toString(), node, zstd],
    [`shale ${own}\n`, process.versions.node, process.versions.zstd],
  );
  assert.deepEqual([nothing!.status, nothing!.stdout.length], [2, 0]);
  assert.equal(nothing!.stderr, formatOverview());
});

test('help, the version and mistakes load neither the engine nor what is below it', async () => {
  using directory = temporary();
  const preload = directory.file('preload.cjs');
  writeFileSync(
    preload,
    `const { registerHooks } = require('node:module');
     const loaded = [];
     registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
     process.on('exit', () => process.stderr.write('LOADED ' + loaded.join(' ') + '\\n'));`,
  );
  for (const line of ['--help', 'render --help', '--version', 'render --bogus', 'bogus']) {
    const { stderr } = await run(process.execPath, ['-r', preload, bin, ...line.split(' ')]);
    const loaded = /^LOADED (.*)$/m.exec(stderr)?.[1]?.split(' ') ?? [];
    const files = loaded.flatMap(url => /\/src\/(.*)$/.exec(url)?.[1] ?? []);
    assert.ok(files.includes('cli/main.ts'), line);
    const heavy = files.filter(
      file =>
        !/^(cli|error|tree)\//.test(file) &&
        !/^(engine|layer|host)\/(host|limits|error|environment|unfinished)\.ts$/.test(file) &&
        // Tables of words, for people.
        !/^(engine\/snapshot|snapshot\/driver)\/(driver|known)-settings\.ts$/.test(file),
    );
    assert.deepEqual(heavy, [], line);
  }
});
