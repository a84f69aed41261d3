import { RegistryError } from './error.ts';

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Typed access to one table of a configuration file that a person wrote, be it JSON or TOML. Each method throws
 * RegistryError `invalid`, naming the file and the key, when the type is wrong. Values are never shown: they may be
 * secret. `null` counts as absent.
 */
export class DocumentTable {
  readonly path: string;
  readonly fields: Fields;
  readonly #at: string;

  /** `at` is where in the file this table stands, in words of the file: empty for the root. */
  constructor(value: unknown, path: string, at = '') {
    if (!isFields(value)) {
      throw new RegistryError(
        'invalid',
        `${path}: ${at === '' ? 'it' : at} is not a table of keys and values`,
        {
          detail: { path, ...(at === '' ? {} : { key: at }) },
        },
      );
    }
    this.path = path;
    this.fields = value;
    this.#at = at;
  }

  get keys(): readonly string[] {
    return Object.keys(this.fields);
  }

  /** The value as it stands, `undefined` if there is none. */
  value(key: string): unknown {
    return Object.hasOwn(this.fields, key) ? (this.fields[key] ?? undefined) : undefined;
  }

  string(key: string): string | undefined {
    const value = this.value(key);
    return value === undefined || typeof value === 'string' ? value : this.fail(key, 'is not a string');
  }

  boolean(key: string): boolean | undefined {
    const value = this.value(key);
    return value === undefined || typeof value === 'boolean' ? value : this.fail(key, 'is not true or false');
  }

  /** Empty when absent. */
  strings(key: string): string[] {
    const value = this.value(key) ?? [];
    const right = Array.isArray(value) && value.every(item => typeof item === 'string');
    return right ? (value as string[]) : this.fail(key, 'is not a list of strings');
  }

  table(key: string): DocumentTable | undefined {
    const value = this.value(key);
    return value === undefined ? undefined : new DocumentTable(value, this.path, this.#name(key));
  }

  /** Empty when absent. */
  tables(key: string): DocumentTable[] {
    const value = this.value(key) ?? [];
    if (!Array.isArray(value)) this.fail(key, 'is not a list of tables');
    return value.map((item, index) => new DocumentTable(item, this.path, `${this.#name(key)}[${index}]`));
  }

  /** Blames a key: RegistryError `invalid` unless the options say another code. */
  fail(
    key: string,
    problem: string,
    options: { hint?: string; code?: 'invalid' | 'unsupported' } = {},
  ): never {
    const { hint, code = 'invalid' } = options;
    throw new RegistryError(code, `${this.path}: ${this.#name(key)} ${problem}`, {
      detail: { path: this.path, key: this.#name(key) },
      ...(hint === undefined ? {} : { hint }),
    });
  }

  #name(key: string): string {
    const shown = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
    return this.#at === '' ? shown : `${this.#at}.${shown}`;
  }
}
