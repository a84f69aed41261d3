import { type LabStep, run } from '../step.ts';
import { mountLine, type OverlayTerms, prefixOf } from './terms.ts';

export function deletionSteps(terms: OverlayTerms): readonly LabStep[] {
  return [whiteout, opaque(terms), byHand(terms)];
}

const whiteout: LabStep = {
  name: 'whiteout',
  title: 'A whiteout: deleting a file of a lower',
  explanation: [
    'A file of a lower cannot be deleted, for lowers are never written to. The upper gets a whiteout of that name instead: a character device with the number 0:0, which no driver ' +
      'has. OverlayFS shows neither the whiteout nor what it hides.',
  ],
  commands: run(
    'rm merged/bin/tool',
    'ls -l merged/bin',
    'ls -l upper/bin',
    "stat -c '%n: %F %t:%T' upper/bin/tool",
    'ls -l base/bin',
  ),
  see: [
    'Gone from the merged view, still there in base. Deleting it has made the whole larger, by one inode: this is why rm in a later layer makes no image smaller. (If ls counts more than one link: ' +
      'OverlayFS keeps one whiteout in its work directory and links it to each name.)',
  ],
};

function opaque(terms: OverlayTerms): LabStep {
  return {
    name: 'opaque',
    title: 'An opaque directory: deleted and made again',
    explanation: [
      'Now share goes, and comes back empty. The new directory must not be merged with those of the same name below, so it is marked opaque: nothing of the lowers is seen in it.',
    ],
    commands: run(
      'ls merged/share/doc',
      'rm -r merged/share',
      "stat -c '%n: %F %t:%T' upper/share",
      'mkdir merged/share',
      'echo "new" > merged/share/readme',
      'find merged/share',
      'getfattr -d -m - upper/share',
    ),
    see: [
      `First one whiteout for the whole tree, then a directory with ${prefixOf(terms)}.opaque="y". doc of the lowers is hidden.` +
        (terms.rootless
          ? ' With userxattr the mark is under user., where the kernel lets an ordinary user write.'
          : ' Only root sees attributes under trusted.: try getfattr as somebody else.'),
    ],
  };
}

function byHand(terms: OverlayTerms): LabStep {
  return {
    name: 'by-hand',
    title: 'Whiteout and opaque directory made by hand',
    explanation: [
      'Neither is magic: whoever unpacks a layer for OverlayFS makes both. An upper that is mounted must not be changed behind the back of OverlayFS (what happens then is undefined), so it is unmounted first.' +
        (terms.rootless
          ? ' Making devices takes privilege that a user namespace does not give; 0:0 is the one exception, since Linux 5.8.'
          : ''),
    ],
    commands: run(
      'umount merged',
      'mknod upper/bin/helper c 0 0',
      'mkdir upper/spare',
      `setfattr -n ${prefixOf(terms)}.opaque -v y upper/spare`,
      mountLine(terms),
      'ls -A merged/bin merged/spare',
    ),
    see: [
      'Both directories appear empty: helper is deleted by the whiteout, spare/old is hidden by the mark.',
    ],
  };
}
