import { printable } from '../tree/index.ts';
import { ByteReader } from './byte-reader.ts';
import { KernelError } from './error.ts';

const magic = '!<arch>\n';
const headerBytes = 60;
const headerEnd = '`\n';

export interface ArMember {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The content, until the next member is asked for; a second call goes on where the first was left. */
  body(): AsyncIterable<Uint8Array>;
}

/**
 * The members of an archive of ar(1), as Debian's packages are one (deb(5)): short names, with or without the slash that
 * GNU puts behind them. KernelError `corrupt` for anything else; memory does not depend on the sizes.
 */
export async function* readAr(source: AsyncIterable<Uint8Array>): AsyncGenerator<ArMember> {
  await using reader = new ByteReader(source);
  if ((await reader.exactly(magic.length)).toString('latin1') !== magic)
    throw corrupt('it has no magic number');
  for (;;) {
    const header = (await reader.exactly(headerBytes)).toString('latin1');
    if (header === '') return;
    if (!header.endsWith(headerEnd) || header.length < headerBytes) {
      throw corrupt('the header of a member is damaged or cut');
    }
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, '');
    const digits = header.slice(48, 58).trimEnd();
    if (!/^[0-9]+$/.test(digits)) throw corrupt(`its member ${printable(name)} has no size`);
    const size = Number(digits);
    let left = size;
    const next = async () => {
      const piece = await reader.some(left);
      if (piece === undefined) throw corrupt(`it ends within its member ${printable(name)}`);
      left -= piece.length;
      return piece;
    };
    const body = async function* () {
      while (left > 0) yield await next();
    };
    yield { name, size, body };
    while (left > 0) await next();
    if (size % 2 === 1) await reader.exactly(1);
  }
}

function corrupt(what: string): KernelError {
  return new KernelError('corrupt', `not a package that can be read: ${what}`, {
    hint: 'give a Debian package (.deb); if it was cut, fetch it again',
  });
}
