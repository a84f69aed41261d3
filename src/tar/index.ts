export type { TarEntry, TarHandler, TarLimits, TarType } from './entry.ts';
export { TarError } from './error.ts';
export { defaultTarLimits, type TarEnd, TarParser } from './parser.ts';
