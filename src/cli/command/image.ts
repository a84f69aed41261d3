import type { Commands, Operand } from './command.ts';
import {
  artifactFormats,
  integrity,
  reading,
  registry,
  source,
  sourcing,
  squashfs,
  stack,
} from './shared.ts';

const name: Operand = {
  name: 'NAME',
  help: 'a name in a registry: nginx, ghcr.io/org/app:1.2, host:5000/app@sha256:…',
};

/** Commands that bring an image from one place or form to another. */
export const imageCommands = {
  pull: {
    summary: 'download an image into the cache, and render it meanwhile',
    description: [
      'Asks the registry what NAME stands for, downloads the layers that the cache does not have, and makes a squashfs of them as ' +
        'their bytes arrive. Blobs and squashfs stay in the cache: the next render of the same image finds both. A download that was ' +
        'interrupted goes on where it ended.',
      'Prints the name with its digest on standard output. Credentials are those of --authfile, REGISTRY_AUTH_FILE, shale login, ' +
        'podman or docker; mirrors and certificates those of registries.conf and certs.d.',
    ],
    operands: [name],
    options: [
      'format',
      ...squashfs,
      ...stack,
      ...sourcing.filter(option => option !== 'no-cache'),
      ...reading,
    ],
    refinements: {
      format: {
        choices: ['squashfs', 'erofs', 'tar', 'none'],
        help: 'what to render into the cache; none: only download',
        default: 'squashfs',
      },
      policy: { default: 'always' },
      layers: { help: 'make a stack: an EROFS for each layer, and the head that OverlayFS puts above them' },
    },
    examples: [
      { what: 'The newest of a tag', line: 'shale pull nginx' },
      { what: "Another machine's image", line: 'shale pull ghcr.io/org/app:1.2 --platform linux/arm64' },
      { what: 'Only the blobs', line: 'shale pull debian:stable-slim --format none' },
      { what: 'Layers as files that images share', line: 'shale pull debian:stable-slim --merged' },
      {
        what: 'From a registry of your own that has no certificate',
        line: 'shale pull build.example:5000/app --insecure-registry build.example:5000',
      },
      { what: 'In a script, pinned from here on', line: 'shale pull -q nginx > pinned' },
    ],
    statuses: {
      4: 'the registry has no such image, or none for the platform; or --policy never, and the cache has none',
    },
  },
  render: {
    summary: 'turn an image into a squashfs, an EROFS, a tar or a directory',
    description: [
      'Reads the image, verifies every digest and size on the way, merges its layers and writes the result to each OUT, ' +
        'all from one decompression. The same image and options give the same bytes, at any --jobs.',
      'An image in a registry is rendered while it is downloaded. If the cache has it, nothing is downloaded; --policy always asks ' +
        'the registry whether the name stands for something newer.',
      'The format follows from the name: .sqfs or .squashfs, .erofs, .tar, a trailing slash for a directory, - for a tar on standard ' +
        'output. A file appears whole and durable or not at all, and replaces what was there; a directory must be new or empty.',
      'With --layers, --merged or --tar-index OUT is a stack: a directory with one file for each layer, which the cache shares among images, and ' +
        'what makes one filesystem of them; stack.json in it says how to mount that. --layers and --merged may stand together, and ' +
        '--tar-index with either; alone it is as with --layers. A stack replaces a stack, and nothing else.',
      'Among several OUTs, flags of compression, fragments and time mean the squashfs; of a squashfs and an EROFS, the latter is not ' +
        'compressed then.',
      'With --hash-tree each squashfs and EROFS gets its dm-verity tree, of sha256 and without a salt; the root hash, printed then, is ' +
        'what shale verify --root-hash and veritysetup take. With --seal the filesystem keeps the files as they are: where it has fs-verity it ' +
        'checks each block that is read, and nobody changes, renames or removes an immutable file before chattr -i.',
    ],
    operands: [source, { name: 'OUT', help: 'what to make, and by its name in which format', many: true }],
    options: ['format', ...squashfs, ...stack, ...integrity, ...sourcing, ...reading],
    refinements: {
      layers: {
        help: 'make a stack of OUT, a directory: an EROFS for each layer, and the head that OverlayFS puts above them',
      },
      format: { choices: artifactFormats, help: 'what every OUT is', default: 'by the name of OUT' },
    },
    examples: [
      { what: 'An image of a registry as a squashfs', line: 'shale render nginx root.sqfs' },
      { what: 'An image of an OCI layout as a squashfs', line: 'shale render oci:layout:latest root.sqfs' },
      { what: 'An EROFS, as fast as the disk', line: 'shale render nginx root.erofs' },
      {
        what: 'A file per layer, for OverlayFS, and merged to one filesystem',
        line: 'shale render nginx stack --layers --merged',
      },
      { what: 'With its hash tree behind it', line: 'shale render nginx root.erofs --hash-tree append' },
      { what: 'Two artifacts from one decompression', line: 'shale render oci:layout root.sqfs root.tar' },
      {
        what: 'Smaller, and slower',
        line: 'shale render oci-archive:image.tar root.sqfs --level 19 --block-size 1M',
      },
      { what: 'Into another program', line: 'shale render docker-archive:saved.tar - | tar -tv' },
      {
        what: 'Without filling the cache',
        line: 'shale render docker://debian:stable-slim rootfs/ --no-cache',
      },
      {
        what: "Another machine's image, as a directory",
        line: 'shale render oci:layout rootfs/ --platform linux/arm64',
      },
    ],
  },
  push: {
    summary: 'upload an image to a registry',
    description: [
      'Uploads IMAGE as TARGET; without TARGET, IMAGE has to be a name, and what the cache has under it is uploaded there. Blobs that ' +
        'the registry has already are left out, or mounted from another repository where the registry can.',
      'Prints the name with its digest on standard output.',
    ],
    operands: [
      { name: 'IMAGE', help: 'a name that the cache has, or any other source (see SOURCE of render)' },
      { name: 'TARGET', help: 'the name in a registry; IMAGE itself if it is left out', optional: true },
    ],
    options: ['platform', 'all-platforms', 'referrers', 'root', ...registry, 'progress', 'quiet', 'json'],
    examples: [
      {
        what: 'What was pulled, under another name',
        line: 'shale push nginx registry.example/mirror/nginx:1.27',
      },
      { what: 'What another tool built', line: 'shale push oci:layout:latest ghcr.io/org/app:1.2' },
      { what: 'What was tagged', line: 'shale push registry.example/app:1.3' },
    ],
    statuses: { 7: 'the registry refuses: the credentials do not suffice to push there' },
  },
  copy: {
    summary: 'copy an image between registries, layouts, archives and the cache',
    description: [
      'Copies the image as it is: manifest, config and layers keep their digests (a docker-archive has no manifest, and gets or ' +
        'loses one). What the target has already is not copied again.',
      'Prints the digest of the manifest on standard output.',
    ],
    operands: [
      source,
      {
        name: 'TARGET',
        help: 'docker://NAME or a bare name, cache:NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]',
      },
    ],
    options: ['platform', 'all-platforms', 'referrers', 'root', ...registry, 'progress', 'quiet', 'json'],
    examples: [
      {
        what: 'To a machine without a network: here',
        line: 'shale copy docker://nginx oci-archive:nginx.tar',
      },
      { what: 'and there', line: 'shale copy oci-archive:nginx.tar cache:nginx' },
      {
        what: 'From one registry to another, with all platforms',
        line: 'shale copy docker://alpine:3.20 docker://registry.example/alpine:3.20 --all-platforms',
      },
      { what: 'For docker load', line: 'shale copy cache:nginx docker-archive:nginx.tar:nginx:latest' },
    ],
  },
} as const satisfies Commands;
