import { type LabStep, refused, run } from '../step.ts';
import { mountLine, type OverlayTerms } from './terms.ts';

export function changeSteps(terms: OverlayTerms): readonly LabStep[] {
  return [newFile, copyUp(terms), metadata, metacopy(terms)];
}

const newFile: LabStep = {
  name: 'new-file',
  title: 'A new file',
  explanation: [
    'A new file is made in the upper directory. If its directory is only in a lower, that one is copied first: not what it holds, but the directory with its ' +
      'mode, owner, times and extended attributes.',
  ],
  commands: run('echo "debug" > merged/etc/app.log', 'find upper', 'find merged/etc | sort'),
  see: ['In the upper there is etc with the new file alone; merged/etc shows it among those of the lowers.'],
};

function copyUp(terms: OverlayTerms): LabStep {
  return {
    name: 'copy-up',
    title: 'Copy-up: writing to a file of a lower',
    explanation: [
      'A file of a lower that is opened for writing is first copied to the upper, all of it, however little is then written. This is the copy-up, and it makes the first ' +
        'write to a large file of an image slow. The copy hides the original from then on.',
    ],
    commands: run(
      "stat -c '%n: %s bytes' merged/etc/motd",
      'echo "One line more." >> merged/etc/motd',
      'cat merged/etc/motd',
      "stat -c '%n: %s bytes, inode %i' middle/etc/motd upper/etc/motd",
      'cat middle/etc/motd',
      'getfattr -d -m - upper/etc/motd',
    ),
    see: [
      'The upper has a file of its own, the lower is what it was. ' +
        (terms.rootless
          ? 'user.overlay.origin notes that it is a copy. It is empty: to find a file by what else it could say takes privilege.'
          : 'trusted.overlay.origin notes which file the copy came from, so that the merged view can go on showing the same inode number. (It is empty where the filesystem has no handles for files.)'),
    ],
  };
}

const metadata: LabStep = {
  name: 'metadata',
  title: 'Only the mode is changed, and all is copied',
  explanation: [
    'A mode, an owner, a time or an extended attribute belongs to the file, and the file is in a lower: a chmod copies it up as well, contents included. table ' +
      'has 4 MiB. (stat counts blocks of 512 bytes.)',
  ],
  commands: run(
    "stat -c '%n: mode %a, %s bytes in %b blocks' base/table",
    'chmod 600 merged/table',
    "stat -c '%n: mode %a, %s bytes in %b blocks' base/table upper/table",
  ),
  see: [
    'Twelve bits have changed, and 4 MiB were written. In an image a chmod -R in a step of its own makes a layer as large as all that it touches.',
  ],
};

function metacopy(terms: OverlayTerms): LabStep {
  const common = { name: 'metacopy', title: 'Only the mode is copied: metacopy' };
  const line = mountLine(terms, {
    suffix: '-meta',
    features: terms.rootless ? 'userxattr,metacopy=on' : 'metacopy=on',
  });
  if (terms.rootless) {
    return {
      ...common,
      explanation: [
        'As root one may mount with metacopy=on: then a chmod makes an empty file in the upper, with the new mode and a note that its contents are still below. Whoever can write such notes ' +
          'can point them at what he may not read, so without privilege the kernel refuses.',
      ],
      commands: [...run('mkdir upper-meta work-meta merged-meta'), refused(line)],
      see: [
        'Invalid is what the kernel calls the pair of options. mount(8) may not know which of its words were meant; the log of the kernel says it (dmesg, as root).',
      ],
    };
  }
  return {
    ...common,
    explanation: [
      'With metacopy=on a change of metadata copies metadata alone. The upper then has a file with the right size but no contents, and a note that those are still below. ' +
        'They are copied when the file is opened for writing. This is a second overlay on the same lowers, with an upper of its own.',
    ],
    commands: run(
      'mkdir upper-meta work-meta merged-meta',
      line,
      'chmod 600 merged-meta/table',
      "stat -c '%n: mode %a, %s bytes in %b blocks' base/table upper-meta/table",
      'getfattr -d -m - upper-meta/table',
      'umount merged-meta',
    ),
    see: [
      'The file in the upper says 4 MiB and has next to no blocks. A layer is a tar and cannot say “contents as below”: who makes layers out of uppers mounts with metacopy=off, or reads ' +
        'the contents through the merged view.',
    ],
  };
}
