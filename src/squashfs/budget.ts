import { Budget as MemoryBudget } from '../bytes/budget.ts';
import { SquashfsError } from './error.ts';

/** Throws SquashfsError `exhausted` when it is used up. */
export class Budget extends MemoryBudget {
  /** In bytes, roughly. */
  constructor(limit: number) {
    super(limit, (message, options) => new SquashfsError('exhausted', message, options));
  }
}
