import { inspect } from 'node:util';

const shown = '[redacted]';

/**
 * A password or a token. It never shows itself: not to `console.log`, not in JSON, not in a template string, and a
 * structured clone of it is empty. Only `reveal` gives it out, at the place where it is sent.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}
