import type { Timestamp } from '../tree/index.ts';
import { type Digest, parseDigest } from './digest.ts';
import { OciError } from './error.ts';
import { type JsonObject, JsonView, parseJson } from './json.ts';
import { type Platform, readPlatform } from './platform.ts';
import { parseTime } from './time.ts';

/** One step of the build; those that are not `emptyLayer` stand for the layers, oldest first. */
export interface HistoryEntry {
  readonly created: Timestamp | undefined;
  readonly createdBy: string | undefined;
  readonly author: string | undefined;
  readonly comment: string | undefined;
  readonly emptyLayer: boolean;
}

/** An image's config (OCI image-spec, config.md; Docker's is the same for all that is read here). */
export interface ImageConfig {
  /** `undefined` if the image does not say when it was made. */
  readonly created: Timestamp | undefined;
  /** `undefined` if it names no operating system or no architecture. */
  readonly platform: Platform | undefined;
  /** The digests of the uncompressed layers, oldest first. */
  readonly diffIds: readonly Digest[];
  /** May be shorter or longer than the layers: it is for people only. */
  readonly history: readonly HistoryEntry[];
  /** Of `config`: what a container starts with (Env, Entrypoint, Cmd, WorkingDir, User, Labels), as it stands. */
  readonly execution: JsonObject;
  /** The whole document, unknown fields too. */
  readonly fields: JsonObject;
}

/** OciError `invalid` if a needed field is missing or any has the wrong type; `exhausted` above 4 MiB. */
export function parseConfig(bytes: Uint8Array, where = 'config'): ImageConfig {
  const view = new JsonView(parseJson(bytes, where), where);
  const rootfs = view.optionalObject('rootfs');
  if (rootfs === undefined) {
    throw new OciError('invalid', `${where} has no rootfs, so it is not the config of an image`);
  }
  const type = rootfs.optionalString('type') || 'layers';
  if (type !== 'layers')
    throw new OciError('unsupported', `${where}: rootfs.type ${JSON.stringify(type)} is not known`);
  return {
    created: readTime(view),
    platform: readPlatform(view),
    diffIds: rootfs.strings('diff_ids').map(text => parseDigest(text, `${rootfs.where}.diff_ids`)),
    history: view.objects('history').map(readHistory),
    execution: view.optionalObject('config')?.fields ?? {},
    fields: view.fields,
  };
}

function readHistory(view: JsonView): HistoryEntry {
  return {
    created: readTime(view),
    createdBy: view.optionalString('created_by'),
    author: view.optionalString('author'),
    comment: view.optionalString('comment'),
    emptyLayer: view.optionalBoolean('empty_layer') ?? false,
  };
}

function readTime(view: JsonView): Timestamp | undefined {
  const text = view.optionalString('created');
  return text === undefined ? undefined : parseTime(text, `${view.where}.created`);
}
