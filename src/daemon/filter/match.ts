/** The value of a field, by its path; `undefined` if there is none. */
export type Adaptor = (path: readonly string[]) => string | undefined;

export type Selector = { readonly path: readonly string[] } & (
  | { readonly operator: 'present' }
  | { readonly operator: '==' | '!='; readonly value: string }
  | { readonly operator: '~='; readonly pattern: RegExp }
);

/** A field that is not there is unequal to everything, and matches as if it were empty. */
export function matches(selector: Selector, adaptor: Adaptor): boolean {
  const found = adaptor(selector.path);
  switch (selector.operator) {
    case 'present':
      return found !== undefined;
    case '==':
      return found === selector.value;
    case '!=':
      return (found ?? '') !== selector.value;
    case '~=':
      return selector.pattern.test(found ?? '');
  }
}
