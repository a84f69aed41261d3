import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { makeNode, setXattr } from '../../src/host/index.ts';
import type { BenchImage } from '../image.ts';
import { run } from '../pull/packages.ts';
import { findLayers } from './layout.ts';

/**
 * Unpacks each layer into a directory of its own by GNU tar, with the whiteouts as OverlayFS wants them. The directories, uppermost
 * first.
 */
export function unpackLayers(image: BenchImage, directory: string): readonly string[] {
  return findLayers(image)
    .map((layer, index) => {
      const root = path.join(directory, `${index}`);
      mkdirSync(root, { recursive: true });
      run('bash', ['-c', `set -o pipefail; igzip -dc < ${layer} | tar -x -p --numeric-owner -C ${root}`]);
      const marks = run('find', [root, '-name', '.wh.*', '-printf', '%p\\0']).split('\0').slice(0, -1);
      for (const mark of marks) {
        const [parent, name] = [path.dirname(mark), path.basename(mark)];
        rmSync(mark);
        if (name === '.wh..wh..opq') setXattr(parent, 'trusted.overlay.opaque', Buffer.from('y'));
        else makeNode(path.join(parent, name.slice('.wh.'.length)), 'character', 0, 0);
      }
      return root;
    })
    .reverse();
}
