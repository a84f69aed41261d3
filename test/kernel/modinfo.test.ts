import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseModuleInfo, readModuleInfo } from '../../src/kernel/modinfo.ts';
import { moduleName } from '../../src/kernel/module-name.ts';
import { stripModule } from '../../src/kernel/strip.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { makeElf, makeModule, modules } from './fixture.ts';

const skip = requires({ tools: ['modinfo'] });
const real = existsSync('/usr/lib/uml/modules') ? globSync('/usr/lib/uml/modules/*/kernel/**/*.ko') : [];

function ask(path: string, field: string): string {
  return execFileSync('modinfo', ['-F', field, path]).toString('latin1').trim();
}

function compare(path: string): void {
  const info = readModuleInfo(readFileSync(path));
  assert.equal(info.name, ask(path, 'name'), path);
  assert.deepEqual(info.depends, ask(path, 'depends').split(',').filter(Boolean).map(moduleName), path);
  assert.deepEqual(info.aliases, ask(path, 'alias').split('\n').filter(Boolean), path);
  const soft = ask(path, 'softdep').split('\n').join(' ');
  const before = soft.split(/\b(?=pre:|post:)/).filter(part => part.startsWith('pre:'));
  assert.deepEqual(
    info.softBefore,
    before.flatMap(part => part.split(/\s+/).slice(1).filter(Boolean)).map(moduleName),
  );
}

test('modinfo says the same of modules', { skip }, () => {
  using scratch = createScratch();
  for (const module of modules) {
    const path = scratch.at(`${module.name}.ko`);
    writeFileSync(path, makeModule(module));
    compare(path);
  }
});

test('modinfo says the same of real modules', {
  skip: skip || (real.length === 0 && 'no modules here'),
}, () => {
  const every = Math.ceil(real.length / 12);
  for (const path of real.filter((_, index) => index % every === 0)) compare(path);
});

test('a module loses its signature and its unwind tables, and nothing else', { skip }, () => {
  using scratch = createScratch();
  const module = makeModule({ name: 'a', signed: true });
  const stripped = stripModule(module);
  writeFileSync(scratch.at('a.ko'), module);
  writeFileSync(scratch.at('b.ko'), stripped);
  assert.match(execFileSync('modinfo', [scratch.at('a.ko')]).toString(), /^sig_id/m);
  assert.doesNotMatch(execFileSync('modinfo', [scratch.at('b.ko')]).toString(), /^sig_id/m);
  const sections = spawnSync('readelf', ['-SW', scratch.at('b.ko')], {
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (sections.error === undefined) {
    const text = sections.stdout.toString();
    assert.doesNotMatch(text, /orc_unwind/);
    assert.match(text, /\[ 2\] +NULL/);
    assert.equal(sections.stderr.toString(), '');
  }
  assert.equal(readModuleInfo(stripped).name, 'a');
  assert.deepEqual(stripModule(makeModule({ name: 'a' })), stripped);
});

test('what is no module is said so', () => {
  const noSection = makeElf([{ name: '.text', content: Buffer.alloc(10) }]);
  const cut = makeModule({ name: 'a' }).subarray(0, 100);
  for (const bytes of [noSection, cut, Buffer.alloc(0), Buffer.from('hello')]) {
    assert.throws(() => readModuleInfo(bytes), { name: 'KernelError', code: 'corrupt' });
  }
  assert.deepEqual(parseModuleInfo(Buffer.from('name=x-y\0depends=\0softdep=pre:\0depends')), {
    name: 'x_y',
    depends: [],
    softBefore: [],
    aliases: [],
  });
});
