/** What test/oracle/fs-verity.test.ts runs in a zone: seals files below a directory, and says what came of it, as JSON. */
import { openSync, unlinkSync, writeFileSync } from 'node:fs';
import { measureFile, sealFile, unsealFile } from '../../src/verity/index.ts';

const [directory = ''] = process.argv.slice(2);
const attempt = (work: () => void): string => {
  try {
    work();
    return 'done';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
};
const results: unknown[] = [];
for (const size of [0, 1, 4096, 5000, 600_001, 3_000_000]) {
  const path = `${directory}/${size}`;
  writeFileSync(path, Buffer.alloc(size, 'what a zone seals, '));
  const { fsverity: expected } = await measureFile(path);
  const sealed = await sealFile(path, { expected });
  results.push({
    size,
    sealed: [sealed, await sealFile(path), await sealFile(path, { expected })],
    removed: attempt(() => unlinkSync(path)),
    unsealed: unsealFile(path),
    opened: attempt(() => openSync(path, 'r+')),
  });
}
const other = `${directory}/other`;
writeFileSync(other, 'other');
const wrong = await sealFile(other, { expected: `sha256:${'00'.repeat(32)}` }).catch(error => error.code);
const busy = `${directory}/busy`;
openSync(busy, 'w');
process.stdout.write(JSON.stringify({ results, wrong, busy: await sealFile(busy) }));
