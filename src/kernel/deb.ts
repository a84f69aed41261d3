import { openTar, type TarEntry } from '../tar/index.ts';
import { type ArMember, readAr } from './ar.ts';
import { collect, decompressStream } from './decompress.ts';
import { KernelError } from './error.ts';

/** The fields of a package's control file that matter here. */
export interface DebControl {
  readonly package: string;
  readonly version: string;
  readonly architecture: string;
}

export interface DebEntry extends TarEntry {
  /** The content, until the next entry is asked for. */
  body(): AsyncIterable<Uint8Array>;
}

const mostControlBytes = 1024 * 1024;

/**
 * Reads a Debian package (deb(5)) from front to back: `control` is called first, then come the files that it would install. It may
 * be of any compression that dpkg has ever written but lzma. KernelError, TarError or CodecError, whatever the bytes are.
 */
export async function* readDeb(
  source: AsyncIterable<Uint8Array>,
  onControl: (control: DebControl) => void,
): AsyncGenerator<DebEntry> {
  let stage: 'version' | 'control' | 'data' = 'version';
  for await (const member of readAr(source)) {
    // Later versions of the format may put members of their own in between (deb(5)).
    if (member.name.startsWith('_')) continue;
    if (stage === 'version') {
      await checkVersion(member);
      stage = 'control';
    } else if (stage === 'control') {
      if (!/^control\.tar(\.|$)/.test(member.name))
        throw corrupt(`${member.name} stands where its control file should`);
      onControl(await readControl(member));
      stage = 'data';
    } else if (/^data\.tar(\.|$)/.test(member.name)) {
      yield* readEntries(member);
      return;
    }
  }
  throw corrupt('it has no files');
}

async function checkVersion(member: ArMember): Promise<void> {
  const wrong = () => corrupt('it is no package of version 2');
  if (member.name !== 'debian-binary' || member.size > 64) throw wrong();
  const text = (await collect(member.body(), 64, member.name)).toString('latin1');
  if (!text.startsWith('2.')) throw wrong();
}

async function readControl(member: ArMember): Promise<DebControl> {
  for await (const entry of readEntries(member)) {
    if (entry.type !== 'file' || !/^(\.\/)?control$/.test(entry.path)) continue;
    const text = (await collect(entry.body(), mostControlBytes, 'the control file')).toString('utf8');
    return parseControl(text);
  }
  throw corrupt('it has no control file');
}

/** The first paragraph of a control file (deb-control(5)). */
export function parseControl(text: string): DebControl {
  const field = (name: string): string => {
    const found = new RegExp(`^${name}:[ \\t]*(\\S+)[ \\t]*$`, 'im').exec(
      text.split(/\n[ \t]*\n/, 1)[0]!,
    )?.[1];
    if (found === undefined) throw corrupt(`its control file has no field ${name}`);
    return found;
  };
  const control = {
    package: field('Package'),
    version: field('Version'),
    architecture: field('Architecture'),
  };
  if (!/^[a-z0-9][a-z0-9+.-]*$/.test(control.package)) throw corrupt('its control file names no package');
  return control;
}

async function* readEntries(member: ArMember): AsyncGenerator<DebEntry> {
  await using tar = openTar(decompressStream(member.body()));
  for (let entry = await tar.next(); entry !== undefined; entry = await tar.next()) {
    yield { ...entry, body: () => tar.body() };
  }
}

function corrupt(what: string): KernelError {
  return new KernelError('corrupt', `not a Debian package that can be read: ${what}`, {
    hint: 'fetch it again',
  });
}
