/** The limits on what an image may ask of the machine, without the engine that keeps them. */
export { type LayerLimits, type LimitRow, limitTable } from '../layer/limits.ts';
