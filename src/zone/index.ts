/**
 * A zone: a virtual machine with a kernel of its own for one workload, whose root filesystem is put together inside. The
 * image is a read-only disk; the zone's init mounts it, puts OverlayFS on top, and starts the workload. The host mounts
 * nothing, parses nothing of the image, and hears of the guest only through the control protocol (`protocol/`).
 *
 * A zone needs no process of ours. Its state is a directory, ROOT/zones/ID:
 *
 *     zone.json        what it is, and how to find its machine (`state/`)
 *     journal          a disk of fixed size on which init keeps the last output, and how it all ended (`disk/`)
 *     scratch          what the workload writes, if that is a disk; it has lost its name by the time the workload starts
 *     run/             the machine's own: its sockets or FIFOs
 *     channel-N.lock   who talks on which channel
 *
 * `launch/` brings a zone up, cold or out of a saved state; `connect.ts` talks to one that runs; `session.ts` attaches
 * streams to a process in it; `receive.ts` hears what it wrote.
 */

export { lockChannel } from './channel.ts';
export { type Connection, connectZone, findMachine } from './connect.ts';
export { ZoneError } from './error.ts';
export { guestInit } from './guest-init.ts';
export {
  endMachine,
  type LaunchedZone,
  type LaunchOptions,
  type LaunchTimes,
  lastWords,
  launchZone,
  type MountedVolume,
  Timeline,
  type ZoneFurniture,
  type ZoneImage,
} from './launch/index.ts';
export { mountPoints } from './mount-points.ts';
export {
  mergeEnvironment,
  type ProcessSpec,
  type ProcessWishes,
  processOf,
  stopSignalOf,
  type WindowSize,
} from './process.ts';
export { writeExec } from './process-message.ts';
export { type Conversation, failure, fromGuest, toGuest } from './protocol/index.ts';
export { readEntry, receiveChanges } from './receive.ts';
export { type Session, startSession } from './session.ts';
export { parseSignal, signalName } from './signal.ts';
export {
  checkHostname,
  checkName,
  hasMachine,
  isAlive,
  journalFile,
  type StoredZone,
  type ZoneRecord,
  type ZoneState,
  type ZoneStatus,
  Zones,
  zoneStatus,
} from './state/index.ts';
export type { ProcessEnd, ZoneStreams, ZoneTerminal } from './streams.ts';
