import type { Commands, Operand } from './command.ts';
import { artifactFormats, limits, reading, source, sourcing } from './shared.ts';

const place: Operand = {
  name: 'PLACE',
  help: 'a squashfs, an EROFS, a tar, a stack or a directory, or an image (see SOURCE of render); a file of that name comes first',
};

/** Commands that show what an image or an artifact holds. */
export const lookCommands = {
  inspect: {
    summary: 'show what an image says of itself, and what is in its layers',
    description: [
      'Prints the image’s digests, platform, configuration and layers. With --layers the layers are read and verified, too: how ' +
        'many entries and whiteouts each has, and how many of its bytes later layers hide.',
      'With --provenance it prints, as one JSON document, what the cache has made of the image: from the digest of the manifest over ' +
        'those of config and layers to that of each artifact, its dm-verity root hash and its fs-verity digest. It is an in-toto ' +
        'statement, and the same on every machine that has the same artifacts.',
    ],
    operands: [source],
    options: ['layers', 'provenance', ...sourcing, ...reading],
    examples: [
      { what: 'What an image in a registry would run', line: 'shale inspect nginx' },
      { what: 'What a local one would run', line: 'shale inspect oci:layout:latest' },
      { what: 'Where its bytes are, and which are wasted', line: 'shale inspect oci:layout:latest --layers' },
      {
        what: 'From the manifest to root hashes',
        line: 'shale inspect nginx --provenance > nginx.intoto.json',
      },
      { what: 'For a program', line: 'shale inspect oci:layout --json | jq -r .config.Entrypoint[]' },
    ],
  },
  verify: {
    summary: 'compare a rendered artifact with its image, or a file with its root hash',
    description: [
      'Reads ARTIFACT back and compares it with the image entry by entry: types, modes, owners, times, contents, link targets, ' +
        'device numbers, extended attributes and hardlink groups. Differences are printed on standard output.',
      'With --root-hash or --fs-verity the bytes of the file are compared with that, all of them; this needs no image, and SOURCE ' +
        'is then the file if it stands alone. The first block that is wrong is named, with its offset.',
      'Of a stack (a directory with a stack.json, as render --layers makes it) each file is compared with what stack.json says of it: ' +
        'size, digest, root hash, fs-verity digest, hash tree; files that are missing or not named are differences, too. Then the merged ' +
        'image, and the layers stacked as OverlayFS would show them, are compared with the image, each by itself. Without SOURCE, only the ' +
        'files are. With --format directory the stack is a directory like any other.',
      'As JSON, a difference has what (missing, extra, type, mode, owner, mtime, xattrs, target, device, size, content or links), path, ' +
        'expected (in the image) and actual (in the artifact). Of a stack it also has part: merged or overlay, where path is one of the ' +
        'filesystem’s; or files, where path is below the stack, expected is what stack.json says, and what is missing, extra, type, size, ' +
        'digest, root-hash, fs-verity or hash-tree, or image where stack.json is that of another image. What unreadable is a form that is ' +
        'too damaged to be compared. differenceCount counts all; of each part the first 1000 are there.',
    ],
    operands: [
      {
        ...source,
        help: `${source.help}; or, without ARTIFACT, the file whose hashes are compared, or a stack`,
      },
      {
        name: 'ARTIFACT',
        help: 'what was rendered: a squashfs, an EROFS, a tar, a stack or a directory',
        optional: true,
      },
    ],
    options: [
      'format',
      ...(['root-hash', 'hash-file', 'hash-offset', 'fs-verity'] as const),
      ...sourcing,
      ...reading,
    ],
    refinements: { format: { choices: artifactFormats, help: 'what ARTIFACT is', default: 'as it looks' } },
    examples: [
      { what: 'After a render', line: 'shale verify oci:layout:latest root.sqfs' },
      { what: 'In a script', line: 'shale verify oci:layout root.tar --quiet || echo differs' },
      {
        what: 'A file with its hash tree behind it or beside it',
        line: 'shale verify root.sqfs --root-hash $ROOT_HASH',
      },
      { what: 'A stack, its layers and what they show', line: 'shale verify oci:layout:latest stack' },
      { what: 'The files of a stack, without the image', line: 'shale verify stack' },
    ],
    statuses: { 8: 'the artifact differs from the image or from its hashes, or one of them is damaged' },
  },
  why: {
    summary: 'say which layers supplied, changed and deleted a path',
    description: [
      'Follows PATH through the layers, oldest first: which layer added it, changed it or deleted it, by which record, and what ' +
        'the result has there. Parents that are symlinks in the result are followed.',
    ],
    operands: [source, { name: 'PATH', help: 'a path in the image, with or without a leading slash' }],
    options: [...sourcing, ...reading],
    examples: [
      { what: 'Who brought this file', line: 'shale why oci:layout:latest /etc/passwd' },
      { what: 'Why is this one gone', line: 'shale why oci-archive:image.tar usr/bin/perl' },
    ],
    statuses: { 4: 'no layer ever had the path, or the image is not there' },
  },
  ls: {
    summary: 'list what is in an artifact or an image',
    description: [
      'Lists the directory PATH of an artifact, or of an image as it would be rendered; PATH is the root if it is left out. Bytes ' +
        'that could steer a terminal are shown as \\xNN; --null and --json give paths as they are.',
      'A stack is shown as it is when it is mounted: its merged image, or else its layers as OverlayFS stacks them.',
    ],
    operands: [place, { name: 'PATH', help: 'a path in it', optional: true }],
    options: [
      'long',
      'recursive',
      'null',
      'json',
      ...sourcing,
      'jobs',
      'memory',
      'strict',
      'quiet',
      ...limits,
    ],
    examples: [
      { what: 'The root of a squashfs', line: 'shale ls root.sqfs' },
      { what: 'Everything below /etc, with modes and owners', line: 'shale ls root.sqfs /etc -lR' },
      { what: 'An image, without rendering it', line: 'shale ls oci:layout:latest usr/bin' },
      { what: 'What a stack shows', line: 'shale ls stack /usr' },
    ],
  },
  cat: {
    summary: 'print files of an artifact or an image',
    description: [
      'Writes the contents of the files to standard output, one after the other. Symlinks are followed inside the root.',
    ],
    operands: [place, { name: 'PATH', help: 'a file in it', many: true }],
    options: [...sourcing, 'jobs', 'memory', 'strict', 'quiet', ...limits],
    examples: [
      { what: 'One file', line: 'shale cat root.sqfs /etc/os-release' },
      { what: 'Out of an image, into a file', line: 'shale cat oci:layout:latest bin/busybox > busybox' },
    ],
  },
} as const satisfies Commands;
