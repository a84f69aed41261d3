import type { ByteString } from '../tree/index.ts';
import { TarError } from './error.ts';
import { GlobalPax } from './global.ts';
import { typeflag } from './layout.ts';
import { PaxFields, readPax } from './pax.ts';

const noFields: Readonly<PaxFields> = new PaxFields();

export function isExtension(flag: number): boolean {
  switch (flag) {
    case typeflag.pax:
    case typeflag.solarisPax:
    case typeflag.paxGlobal:
    case typeflag.gnuLongName:
    case typeflag.gnuLongLink:
      return true;
  }
  return false;
}

/** What the headers before an entry say of it: they belong to the next real entry, whatever stands between. */
export class Extensions {
  readonly #most: number;
  readonly #global = new GlobalPax();
  #own: PaxFields | undefined = undefined;
  #bytes = 0;
  #pending = false;
  longName: ByteString | undefined = undefined;
  longLink: ByteString | undefined = undefined;

  constructor(mostBytes: number) {
    this.#most = mostBytes;
  }

  get own(): Readonly<PaxFields> {
    return this.#own ?? noFields;
  }

  get inherited(): Readonly<PaxFields> {
    return this.#global.fields;
  }

  /** Whether there is a header that waits for its entry. */
  get pending(): boolean {
    return this.#pending;
  }

  /** Admits an extension header's data before any of it is kept. */
  admit(flag: number, size: number): void {
    const isGlobal = flag === typeflag.paxGlobal;
    const bytes = isGlobal ? size : this.#bytes + size;
    if (bytes > this.#most) {
      throw new TarError(
        'exhausted',
        `${bytes} bytes of extended headers, ${this.#most} at most (--max-pax)`,
        {
          detail: { limit: this.#most, actual: bytes, flag: '--max-pax' },
          hint: 'raise --max-pax if the archive is to be trusted',
        },
      );
    }
    if (isGlobal) return;
    this.#bytes = bytes;
    this.#pending = true;
  }

  read(flag: number, data: Buffer): void {
    switch (flag) {
      case typeflag.paxGlobal:
        this.#global.read(data);
        break;
      case typeflag.gnuLongName:
        this.longName = longText(data);
        break;
      case typeflag.gnuLongLink:
        this.longLink = longText(data);
        break;
      default:
        this.#own ??= new PaxFields();
        readPax(data, this.#own);
    }
  }

  /** After an entry has taken them. */
  clear(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#own = undefined;
    this.#bytes = 0;
    this.longName = undefined;
    this.longLink = undefined;
  }
}

/** GNU ends the text with a NUL; without any text the header's own field stands. */
function longText(data: Buffer): ByteString | undefined {
  const end = data.indexOf(0);
  const text = data.toString('latin1', 0, end < 0 ? data.length : end);
  return text === '' ? undefined : text;
}
