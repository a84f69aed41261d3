import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type WrittenImage, writeLayout } from '../layout.ts';
import { createLayers } from './layers.ts';
import { openPackages, run } from './packages.ts';
import { layersOf, type Recipe, recipes, recipesVersion } from './recipe.ts';
import { startRegistry } from './registry.ts';

/** An image of the benchmark's registry. */
export interface PullImage extends WrittenImage {
  readonly name: Recipe;
}

/** The storage of the registry that has the images. */
export function storageOf(cache: string): string {
  return path.join(cache, `registry-${recipesVersion}`);
}

/**
 * The images, made once and then kept in `cache`: Debian's packages as gzip layers of level 6, in the storage of a registry.
 * Some minutes, most of them gzip's.
 */
export async function provideImages(
  cache: string,
  names: readonly Recipe[] = recipes,
): Promise<readonly PullImage[]> {
  const facts = (name: Recipe) => path.join(storageOf(cache), `${name}.json`);
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
  packages.provide(names.flatMap(name => layersOf[name].flat()));
  await using registry = await startRegistry(storageOf(cache), path.join(cache, 'build'));
  for (const name of names) {
    log(`image ${name}`);
    const layout = path.join(cache, 'build', name);
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
