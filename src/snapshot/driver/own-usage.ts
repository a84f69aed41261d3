import type { Usage } from '../snapshotter.ts';
export function measureOwn(_path: string): Usage { return { size: 0, inodes: 0 }; }
