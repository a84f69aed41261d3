export { type ErofsAlgorithm, emptyFile, type FileData, hole } from './data.ts';
export { ErofsError } from './error.ts';
