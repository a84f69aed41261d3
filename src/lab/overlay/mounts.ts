import { type LabStep, refused, run } from '../step.ts';
import { lowers, mountLine, type OverlayTerms } from './terms.ts';

export function mountSteps(terms: OverlayTerms): readonly LabStep[] {
  return [namespace(terms), lowerDirectories, view(terms), mount(terms)];
}

const user =
  'You are root here, but of a user namespace, which maps users outside to users inside and gives its root no power over anything else. ' +
  'Such a root may mount OverlayFS since Linux 5.11, but may not write extended attributes that begin with trusted., ' +
  'where OverlayFS keeps its notes. With the option userxattr it keeps them under user.overlay. instead.';

function namespace({ rootless, tmpfs }: OverlayTerms): LabStep {
  return {
    name: 'namespace',
    title: 'A place of our own',
    explanation: [
      'A mount namespace is the list of mounts that a process sees. All that follows happens in one that nobody else sees, so ' +
        'nothing that is mounted here shows up anywhere else; when its last process ends, its mounts are gone.',
      ...(rootless ? [user] : []),
      ...(tmpfs
        ? [
            "The temporary directory's own filesystem cannot hold what OverlayFS writes, so a tmpfs has been mounted over the scratch directory.",
          ]
        : []),
    ],
    commands: rootless
      ? run('id -u', 'cat /proc/self/uid_map', 'readlink /proc/self/ns/user /proc/self/ns/mnt', 'pwd')
      : run('id -u', 'readlink /proc/self/ns/mnt', 'readlink /proc/$PPID/ns/mnt', 'pwd'),
    see: [
      rootless
        ? 'You are user 0. The map says which users in here (first number) are which outside (second), and how many follow (third): whoever is not in it is nobody.'
        : 'The two numbers differ: this shell and Shale, which started it, see different lists of mounts.',
    ],
  };
}

const lowerDirectories: LabStep = {
  name: 'lowers',
  title: 'Three lower directories',
  explanation: [
    'An image is a pile of layers. To OverlayFS a layer that is only read is a lower directory: any directory, on any filesystem. Here are three, ' +
      'as three steps of a Dockerfile might have left them.',
  ],
  commands: run(
    'mkdir -p base/bin base/etc base/spare base/share/doc middle/etc top/etc top/share/doc',
    'echo "Welcome to the base." > base/etc/motd; echo "base" > base/etc/release',
    'echo "Welcome to the middle." > middle/etc/motd; echo "port 80" > top/etc/app.conf',
    'for name in tool helper; do echo "$name" > base/bin/$name; done',
    'echo "manual" > base/share/doc/manual; echo "changes" > top/share/doc/changes; echo "old" > base/spare/old',
    'dd if=/dev/zero of=base/table bs=1M count=4 status=none',
    'find base middle top -type f | sort',
  ),
  see: [
    'etc/motd is in two of them. etc is in all three, share/doc in base and in top; the rest is in base alone.',
  ],
};

function view({ rootless }: OverlayTerms): LabStep {
  const option = rootless ? 'userxattr,' : '';
  return {
    name: 'view',
    title: 'The lowers as one tree',
    explanation: [
      'lowerdir lists the lowers with the uppermost first, the other way round than an image lists its layers. Of a file the uppermost ' +
        'one is seen; directories of one name are merged, and the attributes of the uppermost count. Without an upper directory the mount is read-only.',
    ],
    commands: [
      ...run(
        'mkdir view',
        `mount -t overlay overlay -o ${option}lowerdir=${lowers} view`,
        'find view | sort',
        'cat view/etc/motd',
      ),
      refused('touch view/new'),
      ...run('umount view'),
    ],
    see: [
      'share/doc shows the files of both. etc/motd is that of middle, which hides that of base. Writing is refused: nobody has said where to.',
    ],
  };
}

function mount(terms: OverlayTerms): LabStep {
  return {
    name: 'mount',
    title: 'An upper directory makes it writable',
    explanation: [
      'Every change goes to upperdir; the lowers are never written to. workdir is where OverlayFS prepares what it then renames into the upper, so that a ' +
        'change is there as a whole or not at all; both must be on one filesystem, and the work directory must be empty.',
      terms.rootless
        ? 'userxattr also means that redirect_dir and metacopy are off: both need notes that only real root may be trusted with. Both come back below.'
        : 'redirect_dir and metacopy come back below. What they are by default depends on how the kernel was built, so it is best to say what one wants.',
    ],
    commands: run(
      'mkdir upper work merged',
      mountLine(terms),
      'grep "$(basename "$PWD")/merged" /proc/self/mountinfo',
      'ls -l merged merged/etc',
      'find upper',
    ),
    see: [
      'The mount is in the list of this namespace, and the merged view is the same as before. The upper directory is empty still: what was only read leaves nothing.',
    ],
  };
}
