import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type WrittenImage, writeLayout } from '../layout.ts';
import { openPackages, run } from './packages.ts';
import { createLayers, listPackages, type Recipe, recipes, recipesVersion } from './recipe.ts';
import { startRegistry } from './registry.ts';

/** An image of the benchmark's registry. */
export interface PullImage extends WrittenImage {
  readonly name: Recipe;
}

/**
 * The images, made once and then kept in `cache`: Debian's packages as gzip layers of level 6, in the storage of a registry.
 * Some minutes, most of them gzip's.
 */
export async function provideImages(
  cache: string,
  names: readonly Recipe[] = recipes,
): Promise<readonly PullImage[]> {
  const facts = (name: Recipe) => path.join(cache, 'images', `${recipesVersion}-${name}.json`);
  const missing = names.filter(name => !existsSync(facts(name)));
  if (missing.length > 0) await build(cache, missing, facts);
  return names.map(name => ({ name, ...(JSON.parse(readFileSync(facts(name), 'utf8')) as WrittenImage) }));
}

async function build(
  cache: string,
  names: readonly Recipe[],
  facts: (name: Recipe) => string,
): Promise<void> {
  const packages = openPackages(path.join(cache, 'packages'));
  const begin = performance.now();
  const log = (text: string) =>
    process.stderr.write(`${((performance.now() - begin) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
  log('packages');
  packages.provide(names.flatMap(listPackages));
  mkdirSync(path.join(cache, 'images'), { recursive: true });
  await using registry = await startRegistry(path.join(cache, 'registry'), path.join(cache, 'build-log'));
  for (const name of names) {
    log(`image ${name}`);
    const layout = path.join(cache, 'unfinished', name);
    rmSync(layout, { recursive: true, force: true });
    const written = await writeLayout(layout, createLayers(name, packages), { algorithm: 'gzip', level: 6 });
    run('skopeo', [
      'copy',
      '-q',
      '--dest-tls-verify=false',
      `oci:${layout}:latest`,
      `docker://${registry.reference(name)}`,
    ]);
    writeFileSync(facts(name), JSON.stringify(written));
    rmSync(layout, { recursive: true });
  }
  log('done');
}
