export { endMachine, lastWords } from './boot.ts';
export type { MountedVolume, ZoneImage } from './disks.ts';
export { type LaunchedZone, type LaunchOptions, launchZone } from './launch.ts';
export type { ZoneFurniture } from './messages.ts';
export { type LaunchTimes, Timeline } from './timeline.ts';
