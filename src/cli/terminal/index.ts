/**
 * Our side of a process that runs elsewhere: standard input as a stream that can be given up at any moment, a terminal in raw
 * mode that is restored whatever happens, the keys that let go.
 */
export { DetachKeys } from './detach-keys.ts';
export { StandardInput } from './input.ts';
export { readKey } from './key.ts';
export { enterRawMode } from './raw-mode.ts';
export { createTerminalSize } from './size.ts';
