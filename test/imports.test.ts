import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

/** ARCHITECTURE, "Folders": whom each folder of src/ may import. Arrows point down only: a row names earlier rows. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  error: [],
  tree: ['error'],
  bytes: ['error', 'tree'],
  oci: ['error', 'tree'],
  host: ['error', 'tree', 'bytes'],
  tar: ['error', 'tree', 'bytes'],
  squashfs: ['error', 'tree', 'bytes'],
  erofs: ['error', 'tree', 'bytes'],
  content: ['error', 'tree', 'bytes', 'oci'],
  verity: ['error', 'bytes', 'host'],
  store: ['error', 'tree', 'bytes', 'oci', 'host', 'content', 'verity'],
  registry: ['error', 'tree', 'bytes', 'oci', 'host', 'content'],
  archive: ['error', 'tree', 'bytes', 'oci', 'host', 'tar', 'content'],
  layer: ['error', 'tree', 'bytes', 'oci', 'host', 'tar'],
  commit: 'error tree bytes oci host content store layer'.split(' '),
  merge: ['error', 'tree', 'layer'],
  overlay: ['error', 'tree', 'layer', 'merge'],
  // biome-ignore format: a row is a line, for whoever compares it with ARCHITECTURE
  render: 'error tree bytes oci host tar squashfs erofs content verity archive layer merge overlay'.split(' '),
  // biome-ignore format: a row is a line, for whoever compares it with ARCHITECTURE
  stack: 'error tree bytes oci host tar erofs content verity store layer merge overlay render'.split(' '),
  // biome-ignore format: a row is a line, for whoever compares it with ARCHITECTURE
  snapshot: 'error tree bytes oci host tar squashfs erofs verity store layer merge overlay render stack'.split(' '),
  pull: 'error tree bytes oci host content store registry archive'.split(' '),
  initramfs: ['error', 'tree', 'bytes'],
  kernel: 'error tree bytes oci host tar squashfs initramfs'.split(' '),
  vmm: ['error', 'bytes', 'host'],
  // biome-ignore format: a row is a line, for whoever compares it with ARCHITECTURE
  zone: 'error tree bytes oci host tar squashfs layer verity initramfs kernel vmm'.split(' '),
  lab: ['error'],
  // biome-ignore format: a row is a line, for whoever compares it with ARCHITECTURE
  engine: 'error tree bytes oci host tar squashfs erofs content store registry archive layer merge overlay render stack snapshot pull verity initramfs kernel vmm zone commit lab'.split(' '),
  daemon: ['error', 'oci', 'host', 'snapshot', 'engine'],
  cli: ['error', 'tree', 'engine', 'daemon'],
};

/** What only some folders may touch, and how it looks in code. */
const doors: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly folders: readonly string[];
}[] = [
  { what: 'spawns', pattern: /['"](node:)?child_process['"]/, folders: ['host'] },
  { what: 'reads the environment', pattern: /\bprocess\.env\b/, folders: ['host'] },
  { what: 'touches /proc', pattern: /['"`]\/proc\b/, folders: ['host'] },
  { what: 'prints', pattern: /\bprocess\.(stdout|stderr)\b|(?<![./'])\bconsole\.\w/, folders: ['cli'] },
];

const src = path.join(import.meta.dirname, '..', 'src');
const files = globSync('**/*.ts', { cwd: src }).sort();
const code = new Map(files.map(file => [file, withoutComments(readFileSync(path.join(src, file), 'utf8'))]));
const folderOf = (file: string) => file.split(path.sep)[0] ?? '';

/** Static and dynamic imports, re-exports, and the module of a worker: `new URL('./x.ts', import.meta.url)`. */
const arrow = /(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*['"](\.[^'"]+)['"]/g;
const arrowsOf = (file: string, text: string) =>
  [...text.matchAll(arrow)].map(found => path.join(path.dirname(file), found[1]!));
const imports = new Map([...code].map(([file, text]) => [file, arrowsOf(file, text)]));

test('imports between folders point down only', () => {
  assert.ok(
    files.length > 0 && [...imports.values()].some(targets => targets.length > 0),
    'no imports found at all',
  );
  const stray = files.flatMap(file =>
    imports
      .get(file)!
      .filter(
        target => folderOf(target) !== folderOf(file) && !allowed[folderOf(file)]?.includes(folderOf(target)),
      )
      .map(target => `src/${file} -> src/${target}`),
  );
  assert.deepEqual(stray, []);
});

test('the table itself points down only, and has a row for every folder', () => {
  const order = Object.keys(allowed);
  for (const [folder, targets] of Object.entries(allowed)) {
    for (const target of targets) {
      assert.ok(
        order.includes(target) && order.indexOf(target) < order.indexOf(folder),
        `${folder} -> ${target}`,
      );
    }
  }
  assert.deepEqual(
    [...new Set(files.map(folderOf))].filter(folder => !(folder in allowed)),
    [],
  );
});

test('no file imports itself, however long the way round', () => {
  // What is imported as a type is gone when the program runs.
  const typeImport = /\b(import|export) type [^;]*;/g;
  const atRunTime = new Map(
    [...code].map(([file, text]) => [file, arrowsOf(file, text.replace(typeImport, ''))]),
  );
  const finished = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    assert.ok(!way.includes(file), `cycle: ${[...way.slice(way.indexOf(file)), file].join(' -> ')}`);
    if (finished.has(file)) return;
    for (const target of atRunTime.get(file) ?? []) visit(target, [...way, file]);
    finished.add(file);
  };
  for (const file of files) visit(file, []);
});

for (const { what, pattern, folders } of doors) {
  test(`only ${folders.join(', ')} ${what}`, () => {
    const stray = files.filter(file => !folders.includes(folderOf(file)) && pattern.test(code.get(file)!));
    assert.deepEqual(stray, []);
  });
}

/** Good enough for this: a comment starts a line or follows code and a space, and no string holds one that imports. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}
