import type { Mount } from '../../engine/snapshot/index.ts';
import { safe } from '../output.ts';

/** The mount(8) commands for a snapshot, one a line, with TARGET for the directory. */
export function formatMounts(mounts: readonly Mount[]): string {
  return mounts.map(mount => `${formatMount(mount)}\n`).join('');
}

/** nosuid and nodev, as `shale mount` does it: whoever wants it otherwise takes that away. */
const attributes = ['nosuid', 'nodev'];

function formatMount({ type, source, target, options }: Mount): string {
  const place = target === undefined ? 'TARGET' : `TARGET/${quote(target)}`;
  if (type === 'bind') {
    const all = ['remount', 'bind', ...attributes, ...(options.includes('ro') ? ['ro'] : [])];
    return `mount --rbind ${quote(source)} ${place} && mount -o ${all.join(',')} ${place}`;
  }
  const list = [...attributes, ...options].join(',');
  return `mount -t ${quote(type)} -o ${quote(list)} ${quote(source)} ${place}`;
}

/** As sh(1) takes it, whatever is in it; what would steer a terminal by numbers. None of these texts ends in a newline. */
function quote(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (safe(text) === text) return `'${text.replaceAll("'", `'\\''`)}'`;
  const bytes = Array.from(Buffer.from(text), byte => `\\0${byte.toString(8).padStart(3, '0')}`);
  return `"$(printf %b '${bytes.join('')}')"`;
}
