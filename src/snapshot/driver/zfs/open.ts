import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../../error/index.ts';
import { replaceFile } from '../../../host/index.ts';
import { SnapshotError } from '../../error.ts';
import type { DriverOptions } from '../driver.ts';
import { invalidSetting, readSettings } from '../settings.ts';
import { zfs } from './command.ts';
import { Datasets } from './datasets.ts';

/** A property of the parent dataset that says whose it is: numbers of datasets are those of snapshots, and one root's must not meet another's. */
const ownerProperty = 'shale:owner';

export const datasetHint =
  'make one of its own: zfs create -o mountpoint=none POOL/shale; and say --driver-option dataset=POOL/shale';

/** The dataset that was named; `undefined` if none was. SnapshotError `invalid`. */
export function readDataset(options: DriverOptions): string | undefined {
  const { dataset } = readSettings('zfs', options);
  // What zfs(8) allows, less what it takes for something else: a snapshot, a bookmark, an option.
  if (
    dataset === undefined ||
    /^[A-Za-z][A-Za-z0-9_.: -]*(\/[A-Za-z0-9_.:][A-Za-z0-9_.: -]*)*$/.test(dataset)
  ) {
    return dataset;
  }
  const hint = 'it is the name of a filesystem as zfs list shows it, such as tank/shale';
  throw invalidSetting('zfs', 'dataset', dataset, hint);
}

/** The datasets in the one that is named, which is ours from then on. SnapshotErrors. */
export async function openDatasets(options: DriverOptions): Promise<Datasets> {
  const { root } = options;
  const name = readDataset(options);
  if (name === undefined) {
    throw new SnapshotError('invalid', 'the driver zfs needs a dataset, and none is named', {
      hint: datasetHint,
    });
  }
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const datasets = new Datasets(name);
  const owner = await findOwner(name);
  const own = readOwner(join(root, 'owner'));
  if (owner !== undefined && owner === own) return datasets;
  if (owner !== undefined) throw foreign(name, 'another root of Shale has its snapshots in it');
  if ((await datasets.list()).length > 0) throw foreign(name, 'it has datasets that are not Shale’s');
  const id = own ?? randomUUID();
  replaceFile(join(root, 'owner'), Buffer.from(`${id}\n`));
  await zfs(['set', `${ownerProperty}=${id}`, name], { doing: `take the dataset ${name}` });
  return datasets;
}

/** Of the dataset itself: one above it may be somebody's, too. */
async function findOwner(name: string): Promise<string | undefined> {
  const words = ['get', '-Hp', '-o', 'value,source', ownerProperty, name];
  const [value, source] = (await zfs(words, { doing: `use the dataset ${name}` })).trim().split('\t');
  return source === 'local' ? value : undefined;
}

function readOwner(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function foreign(name: string, why: string): SnapshotError {
  return new SnapshotError('conflict', `the dataset ${name} cannot be used: ${why}`, {
    detail: { dataset: name },
    hint: datasetHint,
  });
}
