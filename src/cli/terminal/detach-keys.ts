const first = 0x10;
const second = 0x11;

/** Finds Ctrl-P Ctrl-Q in what is typed. A Ctrl-P is held back until the next key says what it was. */
export class DetachKeys {
  #held = false;

  /** What goes on to the process; `detached`: the keys were typed, and what came before them is `pass`. */
  type(bytes: Uint8Array): { readonly pass: Uint8Array; readonly detached: boolean } {
    if (!this.#held && !bytes.includes(first)) return { pass: bytes, detached: false };
    const pass: number[] = [];
    for (const byte of bytes) {
      if (this.#held && byte === second) return { pass: Uint8Array.from(pass), detached: true };
      if (this.#held) pass.push(first);
      this.#held = byte === first;
      if (!this.#held) pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
