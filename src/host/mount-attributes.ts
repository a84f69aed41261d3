/** What is forbidden where something is mounted, whatever the files say: mount_setattr(2). */
export interface MountAttributes {
  readonly readOnly?: boolean | undefined;
  /** setuid, setgid and file capabilities count for nothing. */
  readonly noSuid?: boolean | undefined;
  /** Device nodes cannot be opened. */
  readonly noDevices?: boolean | undefined;
  readonly noExecution?: boolean | undefined;
}

const attributeBits = [
  ['readOnly', 1],
  ['noSuid', 2],
  ['noDevices', 4],
  ['noExecution', 8],
] as const;

/** The same bits in mount_setattr(2), fsmount(2) and mount(2). */
export function bitsOf(attributes: MountAttributes): number {
  return attributeBits.reduce((bits, [name, bit]) => (attributes[name] ? bits + bit : bits), 0);
}
