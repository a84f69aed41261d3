import type { Mount } from '../../engine/snapshot/index.ts';
import { safe } from '../output.ts';

/** The mount(8) commands for a snapshot, one a line, with TARGET for the directory. */
export function formatMounts(mounts: readonly Mount[]): string {
  return mounts.map(mount => `${formatMount(mount)}\n`).join('');
}

function formatMount({ type, source, target, options }: Mount): string {
  const place = target === undefined ? 'TARGET' : `TARGET/${quote(target)}`;
  if (type === 'bind') {
    const attributes = options.filter(option => option !== 'rbind' && option !== 'bind');
    return `mount --rbind ${quote(source)} ${place}${attributes.includes('ro') ? ` && mount -o remount,bind,ro ${place}` : ''}`;
  }
  const list = options.length === 0 ? '' : ` -o ${quote(options.join(','))}`;
  return `mount -t ${quote(type)}${list} ${quote(source)} ${place}`;
}

/** As a shell takes it, whatever is in it. */
function quote(text: string): string {
  const shown = safe(text);
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`;
}
