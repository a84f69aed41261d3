import { type GuestTest, recordMark } from './reporter.ts';

/** How a file of tests ended in the guest. */
export interface GuestFile {
  readonly file: string;
  /** Undefined if the machine ended before it did. */
  status: number | undefined;
  readonly tests: GuestTest[];
  /** What it wrote besides. */
  text: string;
}

/** What a guest says of its tests: lines of JSON, each behind a mark, and between them whatever programs wrote. */
export class GuestOutput {
  readonly files: GuestFile[] = [];
  /** The last that the kernel said. */
  console = '';
  /** Whether all files ended. */
  complete = false;
  #rest: Buffer = Buffer.alloc(0);

  get begun(): boolean {
    return this.files.length > 0;
  }

  add(bytes: Uint8Array): void {
    const all = Buffer.concat([this.#rest, bytes]);
    const end = all.lastIndexOf('\n') + 1;
    this.#rest = all.subarray(end);
    for (const line of all.toString('utf8', 0, end).split('\n')) this.#addLine(line);
  }

  #addLine(line: string): void {
    const file = this.files.at(-1);
    if (!line.startsWith(recordMark)) {
      if (file !== undefined && line !== '') file.text += `${line}\n`;
      return;
    }
    const record = JSON.parse(line.slice(recordMark.length));
    if (record.end === true) this.complete = true;
    else if (record.status !== undefined) file!.status = record.status;
    else if (record.file !== undefined) {
      // Once more, after a crash: what the first attempt said does not count.
      if (file?.file === record.file) this.files.pop();
      this.files.push({ file: record.file, status: undefined, tests: [], text: '' });
    } else file!.tests.push(record);
  }
}
