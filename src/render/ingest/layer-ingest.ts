import { createHash, type Hash } from 'node:crypto';
import { createDecompressor } from '../../bytes/codec/decompressor.ts';
import { NumberList } from '../../bytes/number-list.ts';
import { SlabPool, slabBytes } from '../../bytes/pool/index.ts';
import { StoredBlob } from '../../content/stored-blob.ts';
import { DigestVerifier } from '../../content/verifier.ts';
import { ShaleError, Warnings } from '../../error/index.ts';
import {
  createExhausted,
  createNormaliser,
  encodeEntries,
  formatPlace,
  type LayerEntry,
  type Normaliser,
} from '../../layer/index.ts';
import { type TarData, type TarEntry, type TarHandler, TarParser } from '../../tar/index.ts';
import { printable } from '../../tree/index.ts';
import { Extraction } from './extraction.ts';
import { LayerHash } from './layer-hash.ts';
import { type IngestBatch, type IngestEnd, type IngestRequest, ingestEvent } from './protocol.ts';
import { Tee } from './tee.ts';

/** What is hashed elsewhere: halves of two slabs, while another half is filled (`hashDepth`). */
const hashedBytes = slabBytes / 2;

/** So much of a layer is a message, where nobody waits for its contents: progress is still seen. In bytes, uncompressed. */
const messageBytes = 8 * 1024 * 1024;

/** Where slabs come from and batches go to. */
export interface IngestPort {
  takeSlab(): Promise<number>;
  post(batch: IngestBatch): void;
}

/**
 * Reads one layer: blob → digest → decompress into a slab → diffID → tar → records. The content of files is not
 * copied: events point at where it lies in the slab. Nothing that comes of a batch may be made visible before `run` has
 * returned: only then the digests were compared.
 */
export class LayerIngest implements TarHandler {
  readonly #request: IngestRequest;
  readonly #port: IngestPort;
  readonly #memory: Buffer;
  readonly #ending: Int32Array;
  readonly #warnings: Warnings;
  readonly #normalise: Normaliser;
  readonly #parser: TarParser;

  #entries: LayerEntry[] = [];
  #position = 0;
  readonly #events = new NumberList();
  #hasData = false;
  #inFile = false;
  #fileHash: Hash | undefined;
  #digests: Uint8Array[] = [];
  #extraction: Extraction | undefined;
  /** Of the file that is being read, if it is extracted. */
  #extracted: Extraction | undefined;
  #tee: Tee | undefined;
  /** The entry that is being read, for errors. */
  #path = '';

  #slab = -1;
  /** The other one that is filled in turn, where what is filled is hashed elsewhere. */
  #spare = -1;
  #filled = 0;
  /** Of what is filled: given to be hashed elsewhere. */
  #hashed = 0;
  #produced = 0;
  /** Bytes of all files so far, holes expanded: a few bytes of a sparse map can stand for more than a disk holds. */
  #fileBytes = 0;
  #reported = { read: 0, produced: 0 };

  /** The first word of `ending` is not 0 once nobody wants the layer any more. */
  constructor(request: IngestRequest, port: IngestPort, memory: SharedArrayBuffer, ending: Int32Array) {
    this.#ending = ending;
    const { layer, limits, strict } = request;
    this.#request = request;
    this.#port = port;
    this.#memory = Buffer.from(memory);
    this.#warnings = new Warnings({ strict });
    this.#normalise = createNormaliser({ layer, limits, warnings: this.#warnings });
    this.#parser = new TarParser(this, limits);
  }

  /** The slabs that were taken, and not handed on. */
  get slabs(): readonly number[] {
    return [this.#slab, this.#spare].filter(slab => slab >= 0);
  }

  async run(): Promise<IngestEnd> {
    try {
      const { extract, tee: target } = this.#request;
      using extraction = extract && new Extraction(extract);
      this.#extraction = extraction;
      using tee = target && new Tee(target);
      this.#tee = tee;
      using blob = new StoredBlob(this.#request.blob, this.#request.digest, this.#ending);
      try {
        return await this.#read(blob);
      } catch (error) {
        // What does not parse is most often damaged: then that is the error to report, not what came of it.
        if (error instanceof ShaleError && error.code !== 'exhausted' && error.code !== 'cancelled') {
          const path = this.#path;
          this.#path = '';
          blob.verify();
          this.#path = path;
        }
        throw error;
      }
    } catch (error) {
      throw this.#located(error);
    }
  }

  entry(entry: TarEntry, data: TarData): void {
    this.#path = entry.path;
    this.#inFile = false;
    this.#extracted = undefined;
    const record = this.#normalise(entry, data);
    if (record === undefined) return;
    this.#entries.push(record);
    const position = this.#position++;
    const { digests, limits } = this.#request;
    if (record.type !== 'file') return;
    this.#fileBytes += record.size;
    if (this.#fileBytes > limits.totalBytes) {
      const where = formatPlace(this.#request.layer, record.path);
      throw createExhausted('totalBytes', { where, limit: limits.totalBytes, actual: this.#fileBytes });
    }
    if (digests) this.#fileHash = createHash('sha256');
    if (record.size === 0) return;
    this.#extracted = this.#extraction;
    this.#extracted?.begin(record.size, record.segments);
    if (!this.#request.data) return;
    this.#inFile = true;
    this.#events.push2(ingestEvent.file, position);
  }

  data(chunk: Uint8Array): void {
    this.#fileHash?.update(chunk);
    this.#extracted?.data(chunk);
    if (!this.#inFile) return;
    this.#hasData = true;
    this.#events.push3(ingestEvent.data, chunk.byteOffset, chunk.length);
  }

  hole(length: number): void {
    if (this.#fileHash !== undefined) hashZeros(this.#fileHash, length);
    this.#extracted?.hole(length);
    if (this.#inFile) this.#events.push2(ingestEvent.hole, length);
  }

  end(): void {
    // What fails from here on, fails at another entry: the tar parser names it.
    this.#path = '';
    if (this.#fileHash === undefined) return;
    this.#digests.push(this.#fileHash.digest());
    this.#fileHash = undefined;
  }

  async #read(blob: StoredBlob): Promise<IngestEnd> {
    const { diffId: digest, hashLine } = this.#request;
    using elsewhere = hashLine && new LayerHash(hashLine, digest, this.#ending);
    const diffId = elsewhere ? undefined : new DigestVerifier({ digest }, 'the uncompressed layer');
    const decoder = createDecompressor();
    try {
      if (elsewhere !== undefined) this.#spare = await this.#port.takeSlab();
      for (let chunk = blob.next(); chunk !== undefined; chunk = blob.next()) {
        if (this.#ending[0] !== 0) throw new ShaleError('cancelled', 'the layer is not wanted any more');
        decoder.push(chunk);
        for (;;) {
          if (this.#slab < 0) this.#slab = await this.#port.takeSlab();
          const start = SlabPool.start(this.#slab);
          const end = elsewhere && this.#filled < hashedBytes ? hashedBytes : slabBytes;
          const count = decoder.read(this.#memory.subarray(start + this.#filled, start + end));
          if (count === 0) break;
          const output = this.#memory.subarray(start + this.#filled, start + this.#filled + count);
          diffId?.update(output);
          this.#parser.write(output);
          this.#filled += count;
          this.#produced += count;
          this.#checkRatio(blob.read);
          if (this.#filled === end) this.#hash(elsewhere);
          if (this.#filled === slabBytes) this.#turn(blob.read);
        }
      }
      decoder.finish();
      const { terminated } = this.#parser.finish();
      this.#path = '';
      blob.verify();
      const padding = this.#tee?.paddingOf(this.#produced) ?? 0;
      const local = diffId?.padded(padding);
      diffId?.finish();
      this.#hash(elsewhere);
      const padded = elsewhere?.finish(padding) ?? local;
      if (!terminated) this.#warnUnterminated();
      this.#write();
      this.#post(blob.read);
      this.#tee?.finish();
      const compression = decoder.compression ?? 'none';
      const [warnings, teeDigest] = [this.#warnings.report(), this.#tee && padded];
      return { kind: 'end', warnings, compression, size: this.#produced, teeDigest };
    } finally {
      decoder.close();
    }
  }

  /** The slab is full. Where contents are not handed on, what was found can wait until it is worth a message. */
  #turn(read: number): void {
    this.#write();
    const waits = !this.#request.data && this.#produced - this.#reported.produced < messageBytes;
    if (!waits) this.#post(read);
    if (this.#spare >= 0) [this.#slab, this.#spare] = [this.#spare, this.#slab];
    this.#filled = 0;
    this.#hashed = 0;
  }

  /** What is kept in a file goes there before the slab is used again. */
  #write(): void {
    this.#extraction?.flush();
    this.#writeTee();
  }

  /** Hands on what was found, with the slab if files lie in it; a slab of nothing but headers is used again. */
  #post(read: number): void {
    const entries = encodeEntries(this.#entries);
    const entryCount = this.#entries.length;
    const digests = Buffer.concat(this.#digests);
    const slab = this.#hasData ? this.#slab : undefined;
    const before = this.#reported;
    this.#reported = { read, produced: this.#produced };
    this.#port.post({
      kind: 'batch',
      slab,
      entries,
      entryCount,
      events: this.#events.drain(),
      digests,
      read: read - before.read,
      produced: this.#produced - before.produced,
      kept: this.#extraction?.written ?? this.#tee?.written ?? 0,
    });
    this.#entries = [];
    this.#digests = [];
    this.#hasData = false;
    if (slab !== undefined) this.#slab = -1;
  }

  /** Hands on what was filled since the last time. */
  #hash(elsewhere: LayerHash | undefined): void {
    const start = SlabPool.start(this.#slab) + this.#hashed;
    elsewhere?.update(start, this.#filled - this.#hashed);
    this.#hashed = this.#filled;
  }

  #writeTee(): void {
    if (this.#tee === undefined || this.#filled === 0) return;
    // What fails here has nothing to do with the entry that the slab ends in.
    const path = this.#path;
    this.#path = '';
    const start = SlabPool.start(this.#slab);
    this.#tee.write(this.#memory.subarray(start, start + this.#filled));
    this.#path = path;
  }

  #checkRatio(read: number): void {
    const { limits } = this.#request;
    if (this.#produced > limits.ratioFloor && this.#produced > limits.ratio * read) {
      const actual = Math.ceil(this.#produced / read);
      throw createExhausted('ratio', { where: this.#name(), limit: limits.ratio, actual });
    }
  }

  #warnUnterminated(): void {
    const message = `${this.#name()}: the archive has no end blocks, or not all of its padding`;
    this.#warnings.add({ code: 'tar-unterminated', layer: this.#request.layer, message });
  }

  #name(): string {
    const { layer, digest, diffId } = this.#request;
    return `layer ${layer} (counted from the oldest, 0 first; ${digest ?? diffId})`;
  }

  /** Says in which layer, and if it was inside one, at which entry an error came up. */
  #located(error: unknown): unknown {
    if (!(error instanceof ShaleError)) return error;
    const { layer, digest, diffId } = this.#request;
    const path = this.#path === '' ? error.detail.path : this.#path;
    const entry = typeof path === 'string' ? printable(path) : undefined;
    const place = `${this.#name()}${this.#path === '' ? '' : `, entry ${entry}`}`;
    // What the layer's own rules reject names its place already.
    const message = error.message.startsWith('layer ') ? error.message : `${place}: ${error.message}`;
    const located = new ShaleError(error.code, message, {
      cause: error,
      detail: { layer, digest, diffId, ...(entry === undefined ? {} : { entry }), ...error.detail },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
    located.name = error.name;
    return located;
  }
}

const zeros = new Uint8Array(64 * 1024);

function hashZeros(hash: Hash, length: number): void {
  for (let left = length; left > 0; left -= zeros.length) {
    hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
  }
}
