import type { ByteString } from '../tree/index.ts';
import { parseDecimal } from './decimal.ts';
import { TarError } from './error.ts';

export const sparsePrefix = 'GNU.sparse.';

/** The GNU.sparse records of one entry (GNU tar manual, "Storing Sparse Files"), versions 0.0, 0.1 and 1.0. */
export class SparseRecords {
  major = 0;
  minor = 0;
  /** The real path; the header's is a made-up one, for tars that know nothing of this. */
  name: ByteString | undefined = undefined;
  size: number | undefined = undefined;
  realSize: number | undefined = undefined;
  segments: number | undefined = undefined;
  /** Version 0.0: offset, length, offset, length … */
  pairs: number[] = [];
  /** Version 0.1, undecoded: `offset,length,…`. */
  map: ByteString | undefined = undefined;
}

export function readSparseRecord(records: SparseRecords, keyword: ByteString, value: ByteString): void {
  switch (keyword) {
    case 'GNU.sparse.major':
      records.major = parseDecimal(value, keyword);
      break;
    case 'GNU.sparse.minor':
      records.minor = parseDecimal(value, keyword);
      break;
    case 'GNU.sparse.name':
      if (value.includes('\0')) throw new TarError('invalid', `the pax record ${keyword} holds a NUL`);
      if (value !== '') records.name = value;
      break;
    case 'GNU.sparse.size':
      records.size = parseDecimal(value, keyword);
      break;
    case 'GNU.sparse.realsize':
      records.realSize = parseDecimal(value, keyword);
      break;
    case 'GNU.sparse.numblocks':
      records.segments = parseDecimal(value, keyword);
      break;
    case 'GNU.sparse.offset':
    case 'GNU.sparse.numbytes':
      // They come in turns, an offset first: the position says which of the two is due.
      if ((records.pairs.length % 2 === 0) !== (keyword === 'GNU.sparse.offset')) {
        throw new TarError('corrupt', 'the GNU.sparse.offset and numbytes records do not come in pairs');
      }
      records.pairs.push(parseDecimal(value, keyword));
      break;
    case 'GNU.sparse.map':
      records.map = value;
      break;
  }
}
