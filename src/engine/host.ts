/**
 * What a command line needs of the host, without the engine behind it: answers like --help must come before any of
 * that is loaded.
 */
export { findVariable, inheritVariable } from '../host/environment.ts';
export { removeUnfinished } from '../host/unfinished.ts';
