/** The machine's own containerd, of whatever version, which applies and makes layers itself. */
import { containerdSuite } from './containerd-suite.ts';

containerdSuite('containerd');
