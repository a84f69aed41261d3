import { printable } from '../tree/index.ts';
import { OciError } from './error.ts';

declare const brand: unique symbol;

/** A checked digest, `algorithm:hex` (OCI image-spec, descriptor.md "Digests"): safe to use as a path. */
export type Digest = string & { readonly [brand]: 'Digest' };

/** The registered algorithms that Node can compute, and how many hex digits each has. */
const hexDigits = { sha256: 64, sha384: 96, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof hexDigits;

/** Malformed text, upper case hex and unknown algorithms: OciError `invalid`; `where` says in it what is wrong. */
export function parseDigest(text: string, where?: string): Digest {
  const match = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([A-Za-z0-9=_-]+)$/.exec(text);
  if (match === null) throw invalid(text, where, 'it is not of the form algorithm:hex');
  const [, algorithm = '', hex = ''] = match;
  if (!Object.hasOwn(hexDigits, algorithm))
    throw invalid(text, where, `the algorithm ${algorithm} is not known`);
  const digits = hexDigits[algorithm as DigestAlgorithm];
  if (hex.length !== digits || !/^[0-9a-f]+$/.test(hex)) {
    throw invalid(text, where, `${algorithm} takes ${digits} lower case hex digits`);
  }
  return text as Digest;
}

/** What `crypto.createHash` is to be asked for. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm;
}

/** The hex digits after the colon. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

function invalid(text: string, where: string | undefined, why: string): OciError {
  const shown = printable(Buffer.from(text.slice(0, 200), 'utf8').toString('latin1'));
  return new OciError(
    'invalid',
    `${where === undefined ? '' : `${where}: `}invalid digest "${shown}": ${why}`,
    {
      hint: 'digests look like sha256: and 64 hex digits',
    },
  );
}
