import type { VmmDriver } from '../machine.ts';

export declare const umlDriver: VmmDriver;
