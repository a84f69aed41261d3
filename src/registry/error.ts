import { ShaleError } from '../error/index.ts';

/** A registry, its configuration or its credentials failed us. Neither message nor detail ever holds a secret. */
export class RegistryError extends ShaleError {}
