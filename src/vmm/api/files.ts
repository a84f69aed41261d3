import { chownSync, statSync } from 'node:fs';
import { wrapErrno } from '../../error/index.ts';
import { descriptorPath } from '../../host/index.ts';
import { Descriptors } from '../descriptors.ts';
import type { Disk, MachineOptions } from '../machine.ts';

/**
 * Files of a hypervisor that takes nothing but paths. It gets descriptors, and paths that lead to them: so neither
 * its configuration nor a saved state has a path of the host in it. To open such a path is to open the file anew,
 * which asks for the right to the file itself, though not to the directories that it is in.
 *
 * The same files are added in the same order for a start and for a restore: a saved state holds these paths.
 */
export class MachineFiles extends Descriptors {
  readonly #user: MachineOptions['user'];

  constructor(machine: Pick<MachineOptions, 'directory' | 'user'>) {
    super(machine);
    this.#user = machine.user;
  }

  /**
   * A read-only disk that the hypervisor's user may not read is copied; a writable one becomes that user's, as the
   * machine's directory does.
   */
  addDiskPath(disk: Disk): string {
    if (disk.readOnly) return this.addReadable(disk.path);
    const path = descriptorPath(this.addDisk(disk));
    const user = this.#user;
    if (user !== undefined) {
      try {
        if (statSync(disk.path).uid !== user.uid) chownSync(disk.path, user.uid, user.gid);
      } catch (error) {
        throw wrapErrno(error, `cannot give ${disk.path} to the hypervisor's user`);
      }
    }
    return path;
  }
}
