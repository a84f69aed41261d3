/** What a value may be: a type, one of some words, a list, or an object with a schema of its own. */
export type Rule =
  | 'string'
  | 'boolean'
  | 'integer'
  | { readonly integer: readonly [minimum: number, maximum: number] }
  | { readonly oneOf: readonly string[] }
  | { readonly list: Rule }
  | { readonly object: string };

/** Properties of an object; a name with `!` is required. */
export type Schemas = Readonly<Record<string, Readonly<Record<string, Rule>>>>;

/** The first fault of a value, in the words of a strict parser, or `undefined`. */
export function findFault(schemas: Schemas, name: string, value: unknown, where = ''): string | undefined {
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`the fake has no schema ${name}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return `${where || name}: not an object`;
  const rules = new Map(Object.entries(schema).map(([key, rule]) => [key.replace('!', ''), rule]));
  for (const key of Object.keys(value)) {
    if (!rules.has(key)) {
      return `unknown field \`${key}\`, expected one of ${[...rules.keys()].map(known => `\`${known}\``).join(', ')}`;
    }
  }
  for (const key of Object.keys(schema)) {
    if (key.endsWith('!') && !(key.slice(0, -1) in value)) return `missing field \`${key.slice(0, -1)}\``;
  }
  for (const [key, part] of Object.entries(value)) {
    const fault = findRuleFault(schemas, rules.get(key)!, part, where === '' ? key : `${where}.${key}`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function findRuleFault(schemas: Schemas, rule: Rule, value: unknown, where: string): string | undefined {
  if (rule === 'string' || rule === 'boolean') {
    return typeof value === rule ? undefined : `invalid type at ${where}, expected ${rule}`;
  }
  if (rule === 'integer')
    return Number.isSafeInteger(value) ? undefined : `invalid type at ${where}, expected integer`;
  if ('integer' in rule) {
    const [minimum, maximum] = rule.integer;
    const fits = Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum;
    return fits ? undefined : `invalid value at ${where}, expected ${minimum} to ${maximum}`;
  }
  if ('oneOf' in rule) {
    const known = rule.oneOf.includes(value as string);
    return known
      ? undefined
      : `unknown variant \`${String(value)}\` at ${where}, expected one of ${rule.oneOf.join(', ')}`;
  }
  if ('list' in rule) {
    if (!Array.isArray(value)) return `invalid type at ${where}, expected a sequence`;
    return value
      .map((item, index) => findRuleFault(schemas, rule.list, item, `${where}[${index}]`))
      .find(Boolean);
  }
  return findFault(schemas, rule.object, value, where);
}
