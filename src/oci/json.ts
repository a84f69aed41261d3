import { OciError } from './error.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Manifests, indexes and configs above this many bytes are refused: registries have the same limit. */
export const documentLimit = 4 * 1024 * 1024;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The JSON value in `bytes`; `what` names it in errors. Above `documentLimit`: OciError `exhausted`; not UTF-8 or
 * not JSON: `invalid`.
 */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > documentLimit) {
    throw new OciError('exhausted', `${what} has ${bytes.length} bytes, more than ${documentLimit}`, {
      detail: { size: bytes.length, limit: documentLimit },
    });
  }
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new OciError('invalid', `${what} is not valid JSON`, { cause });
  }
}

/**
 * Typed access to the fields of a JSON object. Each method throws OciError `invalid` that names the field's path
 * when the type is wrong; `null` counts as absent, for Go writes it for empty lists and maps.
 */
export class JsonView {
  readonly where: string;
  readonly fields: JsonObject;

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new OciError('invalid', `${where} is not a JSON object`);
    }
    this.where = where;
    this.fields = value as JsonObject;
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  optionalString(key: string): string | undefined {
    const value = this.#get(key);
    if (value !== undefined && typeof value !== 'string') this.#fail(key, 'a string');
    return value;
  }

  string(key: string): string {
    return this.optionalString(key) ?? this.#fail(key, 'a string');
  }

  /** A count of bytes: a whole number from 0 to 2^53 - 1. */
  size(key: string): number {
    const value = this.#get(key);
    if (!Number.isSafeInteger(value) || (value as number) < 0) this.#fail(key, 'a size in bytes');
    return value as number;
  }

  optionalBoolean(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value !== undefined && typeof value !== 'boolean') this.#fail(key, 'true or false');
    return value;
  }

  optionalNumber(key: string): number | undefined {
    const value = this.#get(key);
    if (value !== undefined && typeof value !== 'number') this.#fail(key, 'a number');
    return value;
  }

  optionalObject(key: string): JsonView | undefined {
    const value = this.#get(key);
    return value === undefined ? undefined : new JsonView(value, `${this.where}.${key}`);
  }

  object(key: string): JsonView {
    return this.optionalObject(key) ?? this.#fail(key, 'an object');
  }

  /** Empty when absent. */
  objects(key: string): JsonView[] {
    return this.#list(key).map((value, index) => new JsonView(value, `${this.where}.${key}[${index}]`));
  }

  /** Empty when absent. */
  strings(key: string): string[] {
    return this.#list(key).map((value, index) =>
      typeof value === 'string' ? value : this.#fail(`${key}[${index}]`, 'a string'),
    );
  }

  /** A map of strings, such as annotations; empty when absent. */
  record(key: string): Readonly<Record<string, string>> {
    const fields = this.optionalObject(key)?.fields ?? {};
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value !== 'string') this.#fail(`${key}[${JSON.stringify(name)}]`, 'a string');
    }
    return fields as Readonly<Record<string, string>>;
  }

  #list(key: string): unknown[] {
    const value = this.#get(key) ?? [];
    return Array.isArray(value) ? value : this.#fail(key, 'a list');
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.fields, key) ? (this.fields[key] ?? undefined) : undefined;
  }

  #fail(key: string, wanted: string): never {
    throw new OciError('invalid', `${this.where}.${key} is not ${wanted}`);
  }
}
