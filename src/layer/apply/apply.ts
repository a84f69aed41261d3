import { type BigIntStats, chmodSync, statSync } from 'node:fs';
import { Warnings, wrapErrno } from '../../error/index.ts';
import {
  Descent,
  isRoot,
  Losses,
  Metadata,
  readNames,
  Staging,
  throwIfAborted,
  timestamp,
} from '../../host/index.ts';
import { readFacts } from '../disk/facts.ts';
import { createLimits } from '../limits.ts';
import { marksOf } from '../mark/index.ts';
import { Builder } from './builder.ts';
import { applyEntries, createWalkFault } from './entries.ts';
import { finishDirectories, finishDirectory } from './finish.ts';
import { applyHits, findHits } from './hits.ts';
import { Links } from './links.ts';
import type { AppliedLayer, ApplyOptions, ApplyTarget, Below } from './options.ts';
import { createPrivateDirectory, findCreatedOwner } from './private-directory.ts';
import { stageLayer } from './stage.ts';
import { View, withoutMarks } from './view.ts';

const epoch = { seconds: 0, nanoseconds: 0 };

/**
 * Applies one layer onto a directory, exactly as the merge contract has it (ARCHITECTURE, "Merge semantics"), and says what it
 * deletes in the target's form. `archive` is the uncompressed tar. Nothing outside the target is read or changed,
 * whatever the layer holds. After an error a target may be half changed, and is fit to be thrown away only. LayerError and
 * TarError for what the layer has wrong, HostErrors; what the system does not permit is one `privilege` warning.
 */
export async function applyLayer(
  archive: AsyncIterable<Uint8Array>,
  target: ApplyTarget,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  const { below = 'unknown', created = epoch, layer = 0, warnings = new Warnings(), signal } = options;
  const limits = createLimits(options.limits);
  const mostDepth = limits.pathDepth;
  try {
    throwIfAborted(signal);
    const marks = marksOf(target.form);
    const { mode, mtimeNs } = unlockRoot(target.path);
    using root = Descent.open(target.path);
    const isNew = readNames(root.at('.')).length === 0;
    using directory = createPrivateDirectory(root);
    const staging = new Staging(directory.descent.at('').slice(0, -1));
    const losses = new Losses();
    const metadata = new Metadata(findCreatedOwner(staging), { warnings, losses });
    try {
      const staged = await stageLayer(archive, { staging, metadata, layer, limits, warnings, signal });
      const { entries } = staged;
      const hidden = new Set([directory.name]);
      const openView = () => new View(root, target.form, below, hidden);
      using view = openView();
      const builder = new Builder(view, directory.descent, created);
      builder.trace.finish = { kind: 'restore', mtime: timestamp(mtimeNs), mode: Number(mode % 0o10000n) };
      if (isNew && (marks !== undefined || below === 'nothing')) describeRoot(builder, below);
      const links = new Links({ builder, staging, metadata, losses, mostDepth });
      // What must be looked up as the layer found it, before anything changes.
      links.keep(entries);
      const hits = findHits(entries, view, {
        rehearse: openView,
        mostDepth,
        fail(end, entry) {
          throw createWalkFault(end, layer, entry.path, mostDepth);
        },
      });
      applyHits(hits, builder);
      await applyEntries(entries, {
        ...{ builder, links, staging, metadata, losses, warnings, layer, mostDepth, signal },
      });
      finishDirectories(builder.trace, root, { metadata, marks });
      directory.remove();
      finishDirectory(builder.trace, root, { metadata, marks });
      losses.report(warnings);
      return { entries: entries.length, size: staged.size };
    } finally {
      staging.close();
    }
  } catch (error) {
    throw wrapErrno(error, `cannot apply a layer to ${target.path}`);
  }
}

/** How the root was; its owner grants himself what it denies him. */
function unlockRoot(path: string): BigIntStats {
  const stats = statSync(path, { bigint: true });
  const isMine = stats.isDirectory() && Number(stats.uid) === process.geteuid?.();
  if (!isRoot() && isMine && (Number(stats.mode) & 0o700) !== 0o700) chmodSync(path, 0o700);
  return stats;
}

/** A root that was empty, and that no entry may describe. */
function describeRoot(builder: Builder, below: Below): void {
  if (typeof below !== 'object') builder.describeImplied(below === 'nothing');
  else builder.describe(withoutMarks(readFacts(builder.view.below!, '.')!));
}
