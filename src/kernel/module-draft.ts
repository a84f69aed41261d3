import { createHash, hash } from 'node:crypto';
import { type Digest, parseDigest } from '../oci/index.ts';
import { readModuleInfo } from './modinfo.ts';
import { isPlainAlias } from './modules.ts';

/** What is noted of a release's modules while they are taken in. */
export class ModuleDraft {
  count = 0;
  /** Whether the source has the list of aliases itself. */
  hasAliases = false;
  readonly #aliases: string[] = [];
  readonly #digests: string[] = [];

  /** A module, uncompressed. KernelError `corrupt` if it is none. */
  addModule(path: string, bytes: Uint8Array): void {
    this.count++;
    this.#digests.push(`${path} ${hash('sha256', bytes)}`);
    const { name, aliases } = readModuleInfo(bytes);
    for (const alias of aliases) if (isPlainAlias(alias)) this.#aliases.push(`alias ${alias} ${name}\n`);
  }

  addList(path: string, bytes: Uint8Array): void {
    if (path === 'modules.alias') this.hasAliases = true;
    this.#digests.push(`${path} ${hash('sha256', bytes)}`);
  }

  /** `modules.alias` as depmod would write it, of aliases that are names: patterns for devices are of no use in a zone. */
  aliases(): string {
    return this.#aliases.sort().join('');
  }

  /** Over names and contents, in whatever order they came. */
  digest(): Digest {
    const sum = createHash('sha256');
    for (const line of this.#digests.sort()) sum.update(`${line}\n`);
    return parseDigest(`sha256:${sum.digest('hex')}`);
  }
}
