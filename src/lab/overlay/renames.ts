import { type LabStep, refused, run } from '../step.ts';
import { mountLine, type OverlayTerms } from './terms.ts';

export function renameSteps(terms: OverlayTerms): readonly LabStep[] {
  return [rename, redirect(terms)];
}

/** rename(2) itself: mv(1) would copy where it is refused. */
const renameCall = (from: string, to: string) =>
  `node -e "try { fs.renameSync('${from}', '${to}') } catch (error) { fs.writeSync(2, error.message); process.exit(1) }"`;

const rename: LabStep = {
  name: 'rename',
  title: 'Renaming a directory of a lower: EXDEV',
  explanation: [
    'A file is renamed by a copy-up and a whiteout. A directory of a lower would take a copy-up of all that it holds, which no one expects of rename(2): OverlayFS refuses with EXDEV, as ' +
      'between two filesystems. Programs know this answer; mv then copies and deletes by itself. Others give up.',
  ],
  commands: [
    refused(renameCall('merged/etc', 'merged/config')),
    ...run(
      'mv merged/etc merged/config',
      'ls -l upper',
      'find upper/config | sort',
      "stat -c '%n: %F %t:%T' upper/etc",
    ),
  ],
  see: [
    'After mv the upper has a whiteout for etc, and config with a copy of every file that the merged etc had.',
  ],
};

function redirect(terms: OverlayTerms): LabStep {
  const common = { name: 'redirect', title: 'The same with redirect_dir' };
  const line = mountLine(terms, {
    suffix: '-redirect',
    features: terms.rootless ? 'userxattr,redirect_dir=on' : 'redirect_dir=on,metacopy=off',
  });
  const directories = 'mkdir upper-redirect work-redirect merged-redirect';
  if (terms.rootless) {
    return {
      ...common,
      explanation: [
        'With redirect_dir=on the renamed directory gets a note that says where in the lowers its contents are. A forged note could lead into what is hidden, so without privilege this is refused, too.',
      ],
      commands: [...run(directories), refused(line)],
      see: ['An overlay of an ordinary user always answers EXDEV.'],
    };
  }
  return {
    ...common,
    explanation: [
      'With redirect_dir=on the renamed directory gets a note that says where in the lowers its contents are, and nothing is copied. Again in an overlay of its own.',
    ],
    commands: run(
      directories,
      line,
      renameCall('merged-redirect/etc', 'merged-redirect/config'),
      'find upper-redirect merged-redirect/config | sort',
      'getfattr -n trusted.overlay.redirect upper-redirect/config',
      'umount merged-redirect',
    ),
    see: [
      'The rename is done, and the upper has nothing but a whiteout and an empty directory with the note: etc. Such an upper is no use without exactly these lowers, and no layer can say it, so who makes ' +
        'layers out of uppers mounts with redirect_dir=off.',
    ],
  };
}
