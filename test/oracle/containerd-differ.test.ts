/** A containerd for which Shale applies and makes the layers, too. */
import { findNewContainerd } from './containerd-lab.ts';
import { containerdSuite } from './containerd-suite.ts';

const { programs, skip } = findNewContainerd();

containerdSuite('containerd with Shale as its differ', { programs, differ: true, skip });
