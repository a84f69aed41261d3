/** A layer that the filesystem below it keeps as it was committed: what somebody changes on its disk is an error to whoever reads it mounted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { measureFsverity, unmount } from '../../src/host/index.ts';
import { drivers, Snapshots } from '../../src/snapshot/index.ts';
import { measureFile } from '../../src/verity/index.ts';
import { createRandom } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { createPlace, layerFiles, mountedBelow, removeAll, withMounted } from './applied.ts';

const skip =
  (process.env.SHALE_TEST_GUEST === undefined &&
    "on Debian's kernel, which has fs-verity: test/vm/image-layers.test.ts") ||
  requires({ tools: ['mkfs.ext4'], root: true, mounts: ['ext4', 'erofs', 'overlay'] });

/** An ext4 with fs-verity, on a disk that can be looked at. */
class Disk implements Disposable {
  readonly #image: string;
  readonly path: string;

  constructor(image: string, path: string) {
    [this.#image, this.path] = [image, path];
    writeFileSync(image, '');
    truncateSync(image, 2 ** 26);
    execFileSync('mkfs.ext4', ['-q', '-b', '4096', '-O', 'verity', image]);
    mkdirSync(path);
    this.#mount();
  }

  /** Changes one bit wherever these bytes stand, behind the filesystem's back: in the layer, and where they were before it was made. */
  flip(bytes: Buffer): void {
    this[Symbol.dispose]();
    const all = readFileSync(this.#image);
    let found = 0;
    for (let at = all.indexOf(bytes); at >= 0; at = all.indexOf(bytes, at + 1)) {
      all[at + 5000]! ^= 4;
      found += 1;
    }
    assert.ok(found > 0, 'the bytes stand on the disk');
    writeFileSync(this.#image, all);
    this.#mount();
  }

  #mount(): void {
    execFileSync('mount', ['-o', 'loop', this.#image, this.path]);
  }

  /** With what is mounted in it, as at a reboot. */
  [Symbol.dispose](): void {
    for (const { target } of mountedBelow(this.path).reverse()) unmount(target);
    execFileSync('umount', [this.path]);
  }
}

test('a committed layer is checked by the filesystem at every read', { skip }, async () => {
  using scratch = createPlace();
  using disk = new Disk(scratch.at('disk'), scratch.at('fs'));
  const open = async () => {
    const root = join(disk.path, 's');
    return await Snapshots.open(root, await drivers.erofs.open({ root }));
  };
  const random = createRandom(1);
  const content = Buffer.from(Uint8Array.from({ length: 65_536 }, () => random.integer(256)));
  {
    await using snapshots = await open();
    await withMounted(await snapshots.prepare('active', undefined), place => {
      writeFileSync(join(place, 'large'), content);
      writeFileSync(join(place, 'small'), 'small');
    });
    await snapshots.commit('layer', 'active');
    const [layer] = layerFiles(join(disk.path, 's'));
    assert.throws(() => openSync(layer!, 'r+'), { code: 'EPERM' });
    const fd = openSync(layer!, 'r');
    assert.equal(measureFsverity(fd), (await measureFile(layer!)).fsverity);
    closeSync(fd);
    await withMounted(await snapshots.view('view', 'layer'), place =>
      assert.ok(readFileSync(join(place, 'large')).equals(content)),
    );
    await snapshots.remove('view');
  }
  disk.flip(content.subarray(0, 8192));
  await using snapshots = await open();
  await withMounted(await snapshots.view('view', 'layer'), place => {
    assert.equal(readFileSync(join(place, 'small'), 'utf8'), 'small');
    assert.throws(() => readFileSync(join(place, 'large')), { code: 'EIO' });
  });
  await snapshots.remove('view');
  await removeAll(snapshots);
});
