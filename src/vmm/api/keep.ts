import { chownSync, constants, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../../error/index.ts';
import { VmmError } from '../error.ts';
import type { MachineOptions, SavedState } from '../machine.ts';

/** Where a hypervisor writes its state, as it sees it: it has its own directory only, so the files are moved on from there. */
export const staging = 'saved';

/** Makes an empty directory that the hypervisor may write to. */
export function prepareStaging(directory: string, user: MachineOptions['user']): void {
  const path = join(directory, staging);
  mkdirSync(path, { mode: 0o700 });
  if (user !== undefined) chownSync(path, user.uid, user.gid);
}

/** Whether the machine was started so that it can be saved. */
export function hasStaging(directory: string): boolean {
  return existsSync(join(directory, staging));
}

/** Moves files from there; across filesystems they are copied. */
export function takeStaged(directory: string, names: readonly string[], to: string): void {
  const from = join(directory, staging);
  for (const name of names) {
    const [source, target] = [join(from, name), join(to, name)];
    try {
      renameSync(source, target);
    } catch (error) {
      if (!isErrno(error, 'EXDEV')) throw wrapErrno(error, `cannot keep ${name} of a saved machine`);
      copyFileSync(source, target, constants.COPYFILE_FICLONE);
    }
  }
  rmSync(from, { recursive: true, force: true });
}

/** VmmError `unsupported` unless it is this hypervisor, in this version, that has saved the state. */
export function requireSaver(state: SavedState, present: Pick<SavedState, 'vmm' | 'version'>): void {
  if (state.vmm === present.vmm && state.version === present.version) return;
  const [saver, here] = [state, present].map(({ vmm, version }) => `${vmm} ${version}`);
  throw new VmmError('unsupported', `${here} cannot restore what ${saver} saved`, {
    hint: 'start without the saved state',
    detail: { saved: { vmm: state.vmm, version: state.version }, present: { ...present } },
  });
}
