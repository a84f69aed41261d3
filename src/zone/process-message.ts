import { ZoneError } from './error.ts';
import type { ProcessSpec, WindowSize } from './process.ts';
import { FieldWriter, processField } from './protocol/index.ts';

/** Bytes of all arguments and variables together: what execve(2) takes with a stack of 8 MiB. */
const mostBytes = 2 * 1024 * 1024;

/** Adds a process to a RUN or an EXEC. ZoneError `exhausted` for more than execve takes. */
export function writeProcess(writer: FieldWriter, spec: ProcessSpec): FieldWriter {
  const words = [...spec.arguments, ...spec.environment];
  const size = words.reduce((sum, word) => sum + Buffer.byteLength(word) + 9, 0);
  if (size > mostBytes) {
    throw new ZoneError('exhausted', 'arguments and environment are longer than a process can have', {
      detail: { size, limit: mostBytes },
    });
  }
  for (const argument of spec.arguments) writer.word(processField.argument, argument);
  for (const variable of spec.environment) writer.word(processField.variable, variable);
  writer.word(processField.directory, spec.directory).word(processField.user, spec.user);
  if (spec.terminal !== undefined) writer.bytes(processField.terminal, writeWindow(spec.terminal));
  if (spec.stdin) writer.flag(processField.stdin);
  if (spec.first === true) writer.flag(processField.first);
  return writer;
}

/** An EXEC's payload. */
export function writeExec(spec: ProcessSpec): Uint8Array {
  return writeProcess(new FieldWriter(), spec).finish();
}

/** A size as WINDOW has it; sizes that 16 bits cannot hold are cut to what they can. */
export function writeWindow({ rows, columns }: WindowSize): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(Math.min(Math.max(rows, 0), 0xffff), 0);
  bytes.writeUInt16LE(Math.min(Math.max(columns, 0), 0xffff), 2);
  return bytes;
}
