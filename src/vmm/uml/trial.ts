/**
 * The smallest guest that proves something: an initramfs whose init is one program of two system calls' worth. If it
 * runs, it ends with `trialStatus`, and the kernel panics for the want of an init and says so: `trialEnd`.
 */
export const trialStatus = 42;

/** What the kernel writes on its console: the wait status of init, whose second byte is the exit status. */
export const trialEnd = /Attempted to kill init! exitcode=0x([0-9a-f]{8})/;
export const trialExitCode = (trialStatus * 256).toString(16).padStart(8, '0');

const address = 0x400000;
const headers = 64 + 56;

/** mov edi, 42; mov eax, exit_group; syscall */
const code = [0xbf, trialStatus, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05];

/** An ELF executable for x86-64 with one segment (System V ABI, "ELF-64 Object File Format"). */
function program(): Buffer {
  const file = Buffer.alloc(headers + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(62, 18); // x86-64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(address + headers), 24); // where it starts
  file.writeBigUInt64LE(64n, 32); // where the program header is
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // to be loaded,
  file.writeUInt32LE(5, 68); // to be read and executed
  file.writeBigUInt64LE(BigInt(address), 80);
  file.writeBigUInt64LE(BigInt(address), 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(4096n, 112);
  file.set(code, headers);
  return file;
}

/** cpio "newc": the program as /init. */
export function trialInitramfs(): Buffer {
  return Buffer.concat([record('init', 0o100755, program()), record('TRAILER!!!', 0, Buffer.alloc(0))]);
}

function record(name: string, mode: number, content: Buffer): Buffer {
  const fields = [1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(head)), padded(content)]);
}

const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
