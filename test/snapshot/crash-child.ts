import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';

/** Works on the snapshots of a directory until it is killed. The places are written to directly: mounting is not what is tested. */
const [root, name] = process.argv.slice(2) as [string, 'overlayfs' | 'native'];
const snapshots = await Snapshots.open(root, await drivers[name].open({ root }));
process.stdout.write('begun\n');
const stamp = `${process.pid}`;
for (let count = 0; ; count += 1) {
  const parent = count % 4 === 0 ? undefined : `${stamp}-${count - 1}`;
  const key = `${stamp}-making-${count}`;
  await snapshots.prepare(key, parent);
  const target = await snapshots.driver
    .openTarget({ id: await idOf(key), kind: 'active', parents: [] })
    .catch(() => undefined);
  if (target !== undefined) writeFileSync(join(target.path, `file-${count}`), 'x'.repeat(5000));
  await snapshots.commit(`${stamp}-${count}`, key);
  await snapshots.view(`${stamp}-view-${count}`, `${stamp}-${count}`);
  await snapshots.remove(`${stamp}-view-${count}`);
}

async function idOf(key: string): Promise<number> {
  const [mount] = await snapshots.mounts(key);
  const path = mount!.options.find(option => option.startsWith('upperdir='))?.slice(9) ?? mount!.source;
  return Number(/\/(\d+)\/fs$/.exec(path)![1]);
}
