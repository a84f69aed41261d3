import type { Commands } from './command.ts';
import { brief, registry } from './shared.ts';

/** Commands that show and change what the cache holds. */
export const cacheCommands = {
  images: {
    summary: 'list the images in the cache',
    description: [
      'One line for each name and platform: the digest that the name stands for, the bytes of its blobs, what was rendered of it, and ' +
        'when it was pulled. Images share blobs, so the cache holds less than the sum (see shale du).',
    ],
    operands: [],
    options: ['digests', ...brief],
    refinements: { quiet: { help: 'only the names, one a line' } },
    examples: [
      { what: 'All images', line: 'shale images' },
      { what: 'For a program', line: 'shale images --json | jq -r .images[].digest' },
    ],
  },
  tag: {
    summary: 'give an image in the cache one more name',
    description: [
      'NAME stands for the same image as SOURCE from here on. If it stood for another one, it no longer does.',
    ],
    operands: [
      { name: 'SOURCE', help: 'a name that the cache has, or the start of a digest' },
      { name: 'NAME', help: 'the new name' },
    ],
    options: ['platform', ...brief],
    examples: [{ what: 'Before a push', line: 'shale tag nginx registry.example/mirror/nginx:1.27' }],
  },
  rm: {
    summary: 'remove images from the cache',
    description: [
      'Removes the names, and at once the blobs and artifacts that no other name and no running command needs.',
    ],
    operands: [{ name: 'NAME', help: 'a name that the cache has, or the start of a digest', many: true }],
    options: ['platform', ...brief],
    refinements: { platform: { help: 'only the image of this platform', default: 'all of them' } },
    examples: [
      { what: 'Two of them', line: 'shale rm nginx alpine:3.20' },
      { what: 'By the start of a digest', line: 'shale rm 5f70bf18a086' },
    ],
  },
  gc: {
    summary: 'free what no image in the cache needs',
    description: [
      'Removes blobs, artifacts, layer indexes and partial downloads that belong to no name and that no running command uses. What ' +
        'an interrupted pull has downloaded stays for a day, so that it can go on. --dry-run removes nothing, and lists what would ' +
        'go and why, and why the rest is kept.',
    ],
    namespace: 'with-snapshots',
    operands: [],
    options: ['dry-run', 'all', ...brief],
    refinements: { all: { help: 'also what interrupted pulls have downloaded' } },
    examples: [
      { what: 'What would go, and why the rest is kept', line: 'shale gc --dry-run' },
      { what: 'Free it', line: 'shale gc' },
    ],
  },
  du: {
    summary: 'show how much of the disk the cache takes',
    description: [
      'Bytes and files of each kind, and how much of them shale gc would free; then the images: their blobs, and what of them no other ' +
        'image has.',
    ],
    operands: [],
    options: brief,
    examples: [
      { what: 'How much is what', line: 'shale du' },
      { what: 'Of another cache', line: 'shale du --root /srv/shale' },
    ],
  },
  fsck: {
    summary: 'check the cache, and repair it',
    description: [
      'Reads every blob, artifact and index in the cache and compares it with its digest. What is damaged is listed on standard ' +
        'output. With --repair it is dropped, and blobs that a registry still has are downloaded again.',
    ],
    operands: [],
    options: ['repair', 'root', ...registry, 'progress', 'quiet', 'json'],
    examples: [
      { what: 'Is everything what it should be', line: 'shale fsck' },
      { what: 'And if not, mend it', line: 'shale fsck --repair' },
    ],
    statuses: { 8: 'something is damaged, and was not repaired' },
  },
} as const satisfies Commands;
