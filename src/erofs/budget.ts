import { Budget as MemoryBudget } from '../bytes/budget.ts';
import { ErofsError } from './error.ts';

/** Throws ErofsError `exhausted` when it is used up. */
export class Budget extends MemoryBudget {
  /** In bytes, roughly. */
  constructor(limit: number) {
    super(limit, (message, options) => new ErofsError('exhausted', message, options));
  }
}
