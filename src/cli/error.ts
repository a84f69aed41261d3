import { ShaleError } from '../error/index.ts';

/** A command line that cannot be understood. Its exit status is 2, whatever the code. */
export class UsageError extends ShaleError {
  constructor(message: string, hint: string) {
    super('invalid', message, { hint });
  }
}

/** Exit status of wrong usage. */
export const usageStatus = 2;
