import { statSync } from 'node:fs';
import path from 'node:path';
import { createFile, createItem, createOpaque, createWhiteout, type Item } from './item.ts';
import { type WrittenImage, writeLayout } from './layout.ts';
import { anyFiles, createItems, type Found, listTree, selectFiles } from './machine.ts';

const project = path.join(import.meta.dirname, '..');

/**
 * Writes an image of what is on this machine, as an OCI layout into `directory`:
 *
 *     base           data and libraries of the system, some ten thousand files
 *     runtime        this Node with the shared libraries that it has loaded
 *     dependencies   the project's node_modules
 *     application    the project's sources; replaces, whites out and hard-links files of the layers below
 */
export async function writeDemoImage(directory: string): Promise<WrittenImage> {
  const inodes = new Map<number, string>();
  const place = (file: string) => path.join('app', path.relative(project, file));
  const base = createItems(
    selectFiles({ ...anyFiles, files: 10_000, bytes: 150_000_000, largestFile: 10_000_000 }),
    undefined,
    inodes,
  );
  const runtime = createItems(
    findRuntime(),
    file => (file === process.execPath ? 'usr/local/bin/node' : file.slice(1)),
    inodes,
  );
  const dependencies = createItems(listTree(path.join(project, 'node_modules')), place, inodes);
  const application = createItems(listTree(path.join(project, 'src')), place, inodes);
  const layers = [base, runtime, dependencies, [...application, ...createChanges(dependencies)]];
  return await writeLayout(directory, layers, { algorithm: 'gzip', level: 6 });
}

/** The libraries through their symlinks: what the loader asks for is what the image has. */
function findRuntime(): readonly Found[] {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  return [process.execPath, ...sharedObjects.filter(file => path.isAbsolute(file))].flatMap(file => {
    const status = statSync(file, { throwIfNoEntry: false });
    return status === undefined ? [] : [{ file, status }];
  });
}

/** What an application's own build step does to the layers that it stands on. */
function createChanges(dependencies: readonly Item[]): Item[] {
  const plain = dependencies
    .map(({ entry }) => entry)
    .filter(({ type, size }) => type === 'file' && size > 0);
  const licences = plain.filter(entry => /\/LICEN[CS]E[^/]*$/i.test(entry.path));
  return [
    ...plain.filter(entry => entry.path.endsWith('.md')).map(entry => createWhiteout(entry.path)),
    ...licences.map(entry => createFile(entry.path, Buffer.from('See /app/LICENSES.\n'))),
    ...plain
      .filter(entry => entry.path.endsWith('/package.json'))
      .map((entry, index) =>
        createItem({
          ...entry,
          type: 'hardlink',
          size: 0,
          path: `app/manifest-${index}`,
          linkpath: entry.path,
        }),
      ),
    createItem({ type: 'hardlink', path: 'app/node', linkpath: 'usr/local/bin/node' }),
    createOpaque('app/node_modules/koffi/doc'),
    createFile('app/node_modules/koffi/doc/moved', Buffer.from('The documentation is online.\n')),
  ];
}
