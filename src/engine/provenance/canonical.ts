/** The same value with the fields of all objects in the order of their names: what equal values are written as is equal, too. */
export function canonical<T>(value: T): T {
  if (Array.isArray(value)) return value.map(item => canonical(item as unknown)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, item]) => [name, canonical(item as unknown)])) as T;
}
