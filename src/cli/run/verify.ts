import type { OutputFormat } from '../../engine/output.ts';
import { hasManifest } from '../../engine/stack/detect.ts';
import type { Difference, VerifyReport } from '../../engine/verify/index.ts';
import { verify } from '../../engine/verify/index.ts';
import type { RootHashReport, RootHashRequest } from '../../engine/verify/root-hash.ts';
import { verifyRootHash } from '../../engine/verify/root-hash.ts';
import { verifyStack } from '../../engine/verify/stack.ts';
import { exitStatus } from '../../error/index.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readImageOptions } from '../image-options.ts';
import type { Values } from '../option.ts';
import { formatJson, print, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes, formatCount, formatNumber, formatRate, formatSeconds } from '../quantity.ts';
import { reportWarnings } from '../warnings.ts';

/** How many differences are printed for people; --json has all that the engine keeps. */
const shown = 100;

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values, signal } = invocation;
  const [first, second] = operands as [string, string | undefined];
  const begin = performance.now();
  const request = readRootHashRequest(values);
  // What is not what its hashes say need not be compared with anything else.
  const hashes =
    request === undefined
      ? undefined
      : await verifyRootHash(second ?? first, { ...request, jobs: values.jobs, signal });
  if (second !== undefined) return await compare(invocation, first, second, { hashes, begin });
  if (hashes === undefined) {
    if (values.format === undefined && hasManifest(first)) return await checkStack(invocation, first, begin);
    const message = 'verify needs ARTIFACT, or --root-hash or --fs-verity, or a stack alone';
    throw new UsageError(message, 'see shale verify --help');
  }
  const seconds = (performance.now() - begin) / 1000;
  if (values.json) printJson({ same: true, ...hashes, seconds });
  if (!values.quiet) {
    if (values.progress === 'json') tell(formatJson({ event: 'end', same: true, seconds }));
    else tell(`${safe(first)} ${describeHashes(hashes)}; in ${formatTook(hashes.size, seconds)}`);
  }
  return 0;
}

async function compare(
  invocation: Invocation,
  source: string,
  artifact: string,
  { hashes, begin }: { readonly hashes: RootHashReport | undefined; readonly begin: number },
): Promise<number> {
  const { values } = invocation;
  const progress = openProgress(values, { elsewhere: 'none' });
  let report: VerifyReport;
  try {
    const options = readImageOptions(invocation, event => progress.update(event));
    report = await verify(source, artifact, {
      ...options,
      format: values.format as OutputFormat | undefined,
    });
  } finally {
    progress.end();
  }
  const seconds = (performance.now() - begin) / 1000;
  reportWarnings(report.warnings, values);
  const { differences, differenceCount: count } = report;
  const same = count === 0;
  if (values.json) printJson({ same, ...report, ...(hashes && { hashes }), seconds });
  else if (!same) print(`${formatDifferences(differences, count).join('\n')}\n`);
  if (!values.quiet) {
    if (values.progress === 'json') tell(formatJson({ event: 'end', same, differenceCount: count, seconds }));
    else tell(summarise(report, artifact, seconds));
    if (hashes && values.progress !== 'json') tell(`${safe(artifact)} ${describeHashes(hashes)}`);
  }
  return same ? 0 : exitStatus.corrupt;
}

/** The files of a stack, without an image. */
async function checkStack({ values, signal }: Invocation, path: string, begin: number): Promise<number> {
  const report = await verifyStack(path, { jobs: values.jobs, signal });
  const { files, bytes, differences, differenceCount: count } = report;
  const seconds = (performance.now() - begin) / 1000;
  const same = count === 0;
  if (values.json) printJson({ same, ...report, seconds });
  else if (!same) print(`${formatDifferences(differences, count).join('\n')}\n`);
  if (!values.quiet) {
    const verdict = same
      ? 'is what its stack.json says'
      : `differs from its stack.json: ${formatNumber(count, 'difference')}`;
    const what = `${formatNumber(files, 'file')} with ${formatBytes(bytes)}`;
    if (values.progress === 'json') tell(formatJson({ event: 'end', same, differenceCount: count, seconds }));
    else tell(`${safe(path)}: stack ${verdict}; ${what}, in ${formatTook(bytes, seconds)}`);
  }
  return same ? 0 : exitStatus.corrupt;
}

/** `undefined` if no hash is given; a flag that then has nothing to say something about is an error. */
function readRootHashRequest(values: Values): RootHashRequest | undefined {
  const {
    'root-hash': rootHash,
    'hash-file': hashFile,
    'hash-offset': hashOffset,
    'fs-verity': fsverity,
  } = values;
  for (const name of ['hash-file', 'hash-offset'] as const) {
    if (values[name] === undefined || rootHash !== undefined) continue;
    throw new UsageError(
      `--${name} says where a hash tree is, and needs --root-hash`,
      'see shale verify --help',
    );
  }
  if (rootHash === undefined && fsverity === undefined) return undefined;
  return { rootHash, hashFile, hashOffset, fsverity };
}

/** What was compared, and is right. */
function describeHashes({ rootHash, fsverity, dataBlocks, tree, path }: RootHashReport): string {
  const place =
    tree === undefined ? '' : tree.path === path ? ' and its appended tree' : ` and ${safe(tree.path)}`;
  return [
    ...(rootHash === undefined
      ? []
      : [`is what the root hash says: ${formatNumber(dataBlocks!, 'block')}${place}`]),
    ...(fsverity === undefined ? [] : ['is what the fs-verity digest says']),
  ].join(', ');
}

function formatTook(bytes: number, seconds: number): string {
  return `${formatSeconds(seconds)}, ${formatRate(bytes, seconds)}`;
}

function formatDifferences(differences: readonly Difference[], count: number): string[] {
  const first = differences.slice(0, shown);
  const isStack = first.some(({ part }) => part !== undefined);
  const rows = first.map(({ part, path, what, expected, actual }) => {
    const [right, found] =
      part === 'files' && what !== 'image' ? ['stack.json', 'file'] : ['image', 'artifact'];
    return [
      ...(isStack ? [part ?? ''] : []),
      ...[what, safe(path)],
      [
        ...(expected === undefined ? [] : [`${right} ${safe(expected)}`]),
        ...(actual === undefined ? [] : [`${found} ${safe(actual)}`]),
      ].join(', '),
    ];
  });
  const more = count - first.length;
  return [...formatColumns(rows), ...(more > 0 ? [`and ${formatNumber(more, 'difference')} more`] : [])];
}

function summarise(report: VerifyReport, artifact: string, seconds: number): string {
  const { format, inodes, files, bytes, stack, differenceCount: count } = report;
  const verdict =
    count === 0 ? 'is the image' : `differs from the image: ${formatNumber(count, 'difference')}`;
  const contents = `${formatNumber(inodes, 'inode')}, ${formatCount(files)} of them files with ${formatBytes(bytes)}${
    stack === undefined ? '' : `, in ${formatNumber(stack.files, 'file')} of ${formatBytes(stack.bytes)}`
  }`;
  const speed = formatTook(bytes, seconds);
  return `${safe(artifact)}: ${format} ${verdict}; ${contents}, in ${speed}`;
}
