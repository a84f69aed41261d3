/** doc/format/zone-protocol.md, "Frames" and "Fields". */

/** What every conversation begins with. */
export const greeting = Buffer.from('shale-zone-hello', 'latin1');
export const nonceSize = 16;
export const protocolVersion = 1;

/** Bytes of a frame's header: length (u32), type (u8), three zeros. */
export const headerSize = 8;
/** Bytes of a frame's payload at most. */
export const mostPayload = 65_536;
/** Bytes of a message's payload at most, its MORE frames counted. */
export const mostMessage = 4 * 1024 * 1024;

/** Frames that the host sends. */
export const toGuest = {
  hello: 1,
  more: 2,
  boot: 3,
  run: 4,
  exec: 5,
  attach: 6,
  stdin: 7,
  stdinEnd: 8,
  window: 9,
  signal: 10,
  stop: 11,
  commit: 12,
  status: 13,
} as const;

/** Frames that the guest sends. */
export const fromGuest = {
  welcome: 65,
  more: 66,
  booted: 67,
  started: 68,
  stdout: 69,
  stderr: 70,
  grant: 71,
  exit: 72,
  fail: 73,
  entry: 74,
  data: 75,
  committed: 76,
  status: 77,
} as const;

export const bootField = {
  device: 1,
  type: 2,
  verity: 3,
  veritySectors: 4,
  file: 5,
  optionalFile: 6,
} as const;

export const runField = {
  entropy: 1,
  clock: 2,
  hostname: 3,
  upperTmpfs: 4,
  upperDevice: 5,
  readOnly: 6,
  journal: 7,
  address: 8,
  gateway: 9,
  file: 10,
  volume: 11,
  tmpfs: 12,
  timeLimit: 13,
  machineId: 14,
  optionalFile: 15,
} as const;

export const processField = {
  argument: 32,
  variable: 33,
  directory: 34,
  user: 35,
  terminal: 36,
  stdin: 37,
  first: 38,
} as const;

export const failField = { what: 1, errno: 2, text: 3 } as const;

export const entryField = {
  path: 1,
  mode: 2,
  uid: 3,
  gid: 4,
  seconds: 5,
  nanoseconds: 6,
  device: 7,
  inode: 8,
  links: 9,
  size: 10,
  target: 11,
  xattr: 12,
} as const;

/** Flags of EXIT. */
export const exitFlag = { outOfMemory: 1, timeLimit: 2 } as const;
