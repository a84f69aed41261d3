export { emptyFile, type ErofsAlgorithm, type FileData, hole } from './data.ts';
export { ErofsError } from './error.ts';
