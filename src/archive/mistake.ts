import { OciError, type Source } from '../oci/index.ts';
import { DirectoryMedium, findStatus } from './medium.ts';

/**
 * Refuses a reference without a prefix that names a file or a layout right here: whoever has `rootfs` before him and
 * writes `rootfs` does not mean Docker Hub's. OciError `invalid`, with what was probably meant; `docker://rootfs` remains.
 */
export async function requireNotLocal({ kind, text }: Source): Promise<void> {
  if (kind !== 'registry' || text.startsWith('docker://')) return;
  const status = await findStatus(text);
  const isLayout =
    status?.isDirectory() === true && (await new DirectoryMedium(text).find('oci-layout')) !== undefined;
  if (status?.isFile() !== true && !isLayout) return;
  const guess = isLayout ? `oci:${text}` : `oci-archive:${text} or docker-archive:${text}`;
  throw new OciError(
    'invalid',
    `${text} is ${isLayout ? 'a directory' : 'a file'} here, and may be an image in a registry`,
    {
      detail: { path: text },
      hint: `did you mean ${guess}? if not, write docker://${text}`,
    },
  );
}
