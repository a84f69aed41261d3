import { type LabStep, refused, run } from '../step.ts';
import { type OverlayTerms, prefixOf } from './terms.ts';

export function layerSteps(terms: OverlayTerms): readonly LabStep[] {
  return [translate(terms), layer(terms), end];
}

function translate(terms: OverlayTerms): LabStep {
  const opaque = `${prefixOf(terms)}.opaque`;
  return {
    name: 'layer-by-hand',
    title: 'The upper as a layer, by hand',
    explanation: [
      'A layer of an OCI image is a tar of what has changed. It knows neither 0:0 devices nor marks: there, an empty file .wh.NAME deletes NAME, and an empty file .wh..wh..opq makes its directory opaque. So a copy of ' +
        'the upper is translated, name by name. (Read from merged, the tar would be the whole tree instead of the changes.)',
    ],
    commands: run(
      'umount merged',
      'cp -a upper by-hand',
      `find by-hand -type c | sort | while read -r path; do rm "$path"; touch "$(dirname "$path")/.wh.$(basename "$path")"; done`,
      `find by-hand -type d | while read -r path; do if getfattr -n ${opaque} "$path" > /dev/null 2>&1; then touch "$path/.wh..wh..opq"; fi; done`,
      'tar --create --file by-hand.tar --sort=name --numeric-owner -C by-hand $(ls -A by-hand)',
      'tar --list --verbose --file by-hand.tar',
    ),
    see: [
      'Each whiteout has become a .wh. file, and so has each mark. tar leaves the extended attributes out unless it is told to take them; those of OverlayFS must never be in a layer, for they would steer the mounts of whoever unpacks it.',
    ],
  };
}

function layer({ rootless }: OverlayTerms): LabStep {
  const diff = `shale diff upper --form ${rootless ? 'overlay-user' : 'overlay'}`;
  return {
    name: 'layer',
    title: 'The upper as a layer, by Shale',
    explanation: [
      'shale diff reads the same upper. Its layer has one order whatever the filesystem’s own is, keeps hardlinks, leaves the state of OverlayFS out, and is an error where the upper says what no layer ' +
        'can (redirect, see above). GNU tar is the judge.',
    ],
    commands: run(
      diff,
      `${diff} --compression none --out layer.tar`,
      'tar --list --verbose --numeric-owner --file layer.tar',
      "tar -tf by-hand.tar | sort > by-hand.names; tar -tf layer.tar | grep -v '^./$' | sort > layer.names",
      'diff by-hand.names layer.names && echo "the same names"',
      'sha256sum layer.tar',
    ),
    see: [
      'A is new, C may have been there before (without the lowers nobody knows), D is deleted. Apart from ./, the root itself, the names are those that came out by hand. The digest is of the uncompressed tar: it is what the configuration of an image calls a diffID.',
    ],
  };
}

const end: LabStep = {
  name: 'clean-up',
  title: 'What is left',
  explanation: [
    'The overlay was unmounted before the layer was made, and an upper is an ordinary directory: it could be mounted again, over the same lowers, and would show what was written. The work directory holds nothing of worth.',
  ],
  commands: [refused('grep "$(basename "$PWD")/merged" /proc/self/mountinfo'), ...run('ls -A work', 'ls')],
  see: [
    'No overlay of ours is mounted. When the lab ends, its namespace ends with it, and the scratch directory is removed (--keep leaves it).',
  ],
};
