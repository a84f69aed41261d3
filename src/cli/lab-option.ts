import type { Option } from './option.ts';

/** The flags that only labs have. */
export const labOptions = {
  yes: { kind: 'flag', short: 'y', help: 'go through all steps without asking' },
  step: { kind: 'text', value: 'N|NAME', help: 'show this step alone; those before it are done unseen' },
  list: { kind: 'flag', help: 'only list the steps' },
} as const satisfies Readonly<Record<string, Option>>;
