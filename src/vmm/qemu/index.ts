import type { VmmDriver } from '../machine.ts';

export declare const qemuDriver: VmmDriver;
