import { run } from '../pull/packages.ts';

/** Unpacks a layer's tar into a directory, where that is seen. */
export function extract(tar: string, directory: string, entrance: readonly string[] = []): void {
  const [program, ...rest] = [...entrance, 'tar', '-x', '-f', tar, '-C', directory, '--numeric-owner'];
  run(program!, rest);
}
