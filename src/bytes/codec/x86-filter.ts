/** How many bytes an operand has: so many at the end of an input cannot be judged yet. */
const operandBytes = 4;

/**
 * What xz calls the x86 BCJ filter, backwards (.xz format 1.2, 5.3.2). An encoder that meets a CALL or JMP (0xE8, 0xE9)
 * replaces the distance behind it by the target's position, so that the calls of one function look alike; this puts the
 * distances back. It is a guess about bytes, not a disassembler, and the decoder has to guess as the encoder did: an operand is
 * converted if its highest byte is 0x00 or 0xff, unless the opcode lies within four bytes of others that were not converted.
 */
export class X86Filter {
  /** Position in the stream of what `decode` is given next, modulo 2^32. */
  #position: number;
  /**
   * The opcodes among the last three bytes that were not converted: bit n of the low half for one n bytes back; bit n of the
   * high half if its operand ends as a convertible one does.
   */
  #passed = 0;

  constructor(start = 0) {
    this.#position = start;
  }

  /**
   * Converts `bytes` in place and returns how many of them are final: mostly all but the last four, which are to be given
   * again with what follows them. What is left at the stream's end stays as it is.
   */
  decode(bytes: Uint8Array): number {
    const end = bytes.length - operandBytes;
    let passed = this.#passed;
    let at = 0;
    while (at < end) {
      const opcode = bytes[at]!;
      if (opcode !== 0xe8 && opcode !== 0xe9) {
        if (passed !== 0) passed = (passed & 0x77) << 1;
        at++;
        continue;
      }
      const convertible = isHighByte(bytes[at + operandBytes]!);
      const back = distances[passed];
      if (convertible && back !== undefined) {
        this.#convert(bytes, at, back);
        at += 1 + operandBytes;
        passed = 0;
      } else {
        passed = ((passed | (convertible ? 0x11 : 0x01)) & 0x77) << 1;
        at++;
      }
    }
    this.#passed = passed;
    this.#position = (this.#position + at) % 0x100000000;
    return at;
  }

  #convert(bytes: Uint8Array, at: number, back: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at + 1, operandBytes);
    const here = (this.#position + at + 1 + operandBytes) % 0x100000000;
    let value = view.getUint32(0, true);
    for (;;) {
      value = (value - here) >>> 0;
      // With an opcode in front, the byte that it took for its highest must not have become one: else once more.
      if (back === 0 || !isHighByte((value >>> (24 - 8 * back)) & 0xff)) break;
      value = (value ^ (2 ** (32 - 8 * back) - 1)) >>> 0;
    }
    view.setUint32(
      0,
      value % 0x2000000 < 0x1000000 ? value % 0x1000000 : 0xff000000 + (value % 0x1000000),
      true,
    );
  }
}

/** For each state that allows a conversion: how far back the passed opcode is, 0 if there is none. */
const distances: Readonly<Record<number, number>> = { 0: 0, 2: 1, 4: 2, 8: 3 };

function isHighByte(byte: number): boolean {
  return byte === 0x00 || byte === 0xff;
}
