import { listDriverSettings } from '../engine/snapshot/driver-settings.ts';
import {
  type Command,
  type CommandName,
  commandGroups,
  commonOptions,
  type FamilyName,
  findCommand,
  findFamily,
  membersOf,
  summaryOf,
  type Topic,
} from './command/index.ts';
import { environment, exitStatuses, files } from './facts.ts';
import { describeOption, formatFlag, formatUsage, overviewExamples, splitOptions } from './help.ts';
import type { OptionName } from './option.ts';

const registries = [
  'The credential of a registry is looked for in this order: `--authfile`, `REGISTRY_AUTH_FILE`, ' +
    '`$XDG_RUNTIME_DIR/containers/auth.json`, `$XDG_CONFIG_HOME/containers/auth.json`, `~/.docker/config.json` (`DOCKER_CONFIG`). ' +
    'Each may name credential helpers (`credHelpers`, `credsStore`) and have keys for a part of a registry ' +
    '(`ghcr.io/org`); a Kubernetes `dockerconfigjson` is read as well. Without a credential Shale asks anonymously. No credential ' +
    'follows a redirect to another host.',
  'Mirrors are those of `registries.conf` (`CONTAINERS_REGISTRIES_CONF`, else `~/.config/containers/registries.conf`, else ' +
    '`/etc/containers/registries.conf`, with `registries.conf.d`) and of `hosts.toml` in a `certs.d/HOST[:PORT]`; each is tried in ' +
    'turn, the registry itself last. `certs.d` is looked for in `~/.config/containers`, `/etc/containers`, `/etc/docker` and ' +
    '`/etc/containerd`; certificates come from there, from `--cert-dir` and from the system. A registry is asked without TLS only if it is named insecure (`--insecure-registry`, `registries.conf`), or is this machine.',
];

const cache = [
  'The cache is an OCI image layout that other tools can read, with layer indexes and rendered artifacts beside the blobs, and ' +
    'a database of names and of what is in use. It belongs to one user. Several commands may use it at once; what one downloads the ' +
    'others wait for. A command that is killed leaves it usable, and its partial downloads are continued.',
  '`--policy` means what imagePullPolicy means to Kubernetes: `always` asks the registry for the digest and downloads only what ' +
    'is missing; `if-not-present` asks only if the cache has no such name; `never` asks nobody.',
];

const drivers = [
  'Snapshots are kept by a driver (`--driver`): [shale doctor](shale-doctor.md) tries each, and says which this machine can use and why not. ' +
    'Each has its own settings, given as `--driver-option NAME=VALUE`:',
];

/** The manual page of `shale` itself, in Markdown: doc/man/shale.md. */
export function formatManualOverview(): string {
  const row = (name: Topic) => `- [\`shale ${name}\`](${manualPage(name)}): ${summaryOf(name)}`;
  const groups = commandGroups.map(({ title, names }) => `${title}:\n\n${names.map(row).join('\n')}`);
  return join([
    '# shale',
    'Pulls OCI images and turns them into root filesystems: squashfs, EROFS, tar or a directory, exact and reproducible. It needs ' +
      'no root, no daemon and no other program. To run images in virtual machines it needs a hypervisor ([shale doctor](shale-doctor.md)).',
    block(['shale COMMAND [ARGUMENTS] [OPTIONS]']),
    '## Commands',
    ...groups,
    'Flags may stand anywhere, as `--flag VALUE` or `--flag=VALUE`; `--` ends them. A flag that is given twice counts as given ' +
      'last, but those that add up (`--insecure-registry`, `--env`, `--volume` and whatever else may be given again). Sizes are bytes, or take `K`, `M`, `G`, `T` (also `KiB` and the like) for powers of 1024, `KB`, `MB`, … for powers of ' +
      '1000. Times are seconds, or take `ms`, `s`, `m`, `h`.',
    '## Options',
    list(commonOptions, undefined),
    '## Images',
    [
      '- `NAME` or `docker://NAME`: an image in a registry, as Docker writes them: `nginx` is `docker.io/library/nginx:latest`. ' +
        'Blobs that the cache has come from there',
      '- `cache:NAME`: what the cache has under that name, and nothing else',
      '- `oci:DIR[:TAG|@DIGEST]`: an OCI image layout; the tag may be left out where it holds one image',
      '- `oci-archive:FILE[:TAG|@DIGEST]`: the same as a tar',
      '- `docker-archive:FILE[:REF|:@N]`: what `docker save` writes; `@N` is the image at position N',
    ].join('\n'),
    '## Registries',
    ...registries,
    '## The cache',
    ...cache,
    '## Drivers',
    ...drivers,
    definitions(Object.fromEntries(listDriverSettings().map(({ flag, help }) => [flag, help]))),
    '## Output',
    'Results are on standard output. Progress, warnings, summaries and errors are on standard error. With `--json` the result ' +
      'is one JSON object, and so is a failure: `{"error": {"code", "message", "detail", "hint"}}`, where `code` is one of the ' +
      'names below, or `usage`. Names and texts from an image are shown with control characters as `\\xNN`; in JSON, bytes that are ' +
      'not UTF-8 are base64 under a name that ends in `Base64`.',
    'On a terminal `--progress auto` draws a bar for each layer that is being read; elsewhere `render` writes a line for each ' +
      'layer. `--progress json` makes all of standard error JSON lines, each with an `event`: `image`, `layer`, `download`, ' +
      '`retry`, `blob`, `check`, `finish`, `warning`, `end` or `error`.',
    ...statusSection({}),
    '## Signals',
    'The first Ctrl-C, SIGTERM or SIGHUP ends the work and removes what is unfinished; a second one ends the process at once, and ' +
      'removes it all the same. After a SIGKILL hidden files or directories `.NAME.*shale-*` may be left beside an output; nothing ever reads them. ' +
      'Once the command of a zone runs, signals go to it: see [shale run](shale-run.md).',
    '## Environment',
    definitions(environment),
    '## Files',
    definitions(files),
    '## Examples',
    block(overviewExamples().map(({ line }) => line)),
  ]);
}

/** The manual page of a command, or of a family with all its commands, in Markdown: doc/man/shale-NAME.md. */
export function formatManual(topic: Topic): string {
  const [name = topic] = topic.split(' ');
  return findFamily(name) ? formatFamily(name as FamilyName) : formatCommand(name as CommandName);
}

/** The file of the page that a command or a family is on. */
export function manualPage(topic: Topic): string {
  return `shale-${topic.split(' ')[0]}.md`;
}

function formatFamily(family: FamilyName): string {
  const names = membersOf(family);
  const row = (name: CommandName) =>
    `- [\`shale ${name}\`](#shale-${name.replaceAll(' ', '-')}): ${findCommand(name)!.summary}`;
  return join([
    `# shale ${family}`,
    sentence(summaryOf(family)),
    block([`shale ${family} COMMAND [ARGUMENTS] [OPTIONS]`]),
    ...findFamily(family)!.description,
    names.map(row).join('\n'),
    ...names.flatMap(name => {
      const command: Command = findCommand(name)!;
      const { own, registry, limits } = splitOptions(command);
      const special = Object.entries(command.statuses ?? {}).map(([status, what]) => `- ${status}: ${what}`);
      return [
        `## shale ${name}`,
        sentence(command.summary),
        block([formatUsage(name)]),
        ...command.description,
        ...(command.operands.length === 0 ? [] : [definitions(operands(command))]),
        list([...own, ...registry, ...limits, 'help'], name),
        command.examples.map(({ what, line }) => `${what}:\n\n${block([line])}`).join('\n\n'),
        ...(special.length === 0
          ? []
          : ['Exit statuses that mean something special here:', special.join('\n')]),
      ];
    }),
    ...(names.some(name => (findCommand(name) as Command).options.includes('driver-option'))
      ? [aboutDrivers]
      : []),
    ...statusSection({}),
    same,
  ]);
}

const aboutDrivers =
  'Which drivers there are, and what settings they have, is said in [shale](shale.md#drivers).';

const same =
  'The environment, signals, JSON and progress are the same for all commands: see [shale](shale.md).';

function formatCommand(name: CommandName): string {
  const command: Command = findCommand(name)!;
  const { own, registry, limits } = splitOptions(command);
  return join([
    `# shale ${name}`,
    sentence(command.summary),
    block([formatUsage(name)]),
    ...command.description,
    ...(command.operands.length === 0 ? [] : ['## Arguments', definitions(operands(command))]),
    '## Options',
    list([...own, 'help'], name),
    ...(own.includes('driver-option') ? [aboutDrivers] : []),
    ...(registry.length === 0
      ? []
      : [
          '## Registries and the cache',
          list(registry, name),
          'How credentials, mirrors and certificates are found is said in [shale](shale.md#registries).',
        ]),
    ...(limits.length === 0
      ? []
      : [
          '## Limits',
          'What an image may ask of the machine. Each takes `none`, too; an image that passes one is refused with an error that names ' +
            'the flag.',
          list(limits, name),
        ]),
    '## Examples',
    command.examples.map(({ what, line }) => `${what}:\n\n${block([line])}`).join('\n\n'),
    ...statusSection(command.statuses ?? {}),
    same,
  ]);
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
}

function statusSection(special: Readonly<Record<number, string>>): string[] {
  const all = exitStatuses();
  // One that only this command has stands at its place.
  const own = Object.keys(special)
    .map(Number)
    .filter(status => !all.some(row => row.status === status))
    .map(status => ({ status, code: '', what: special[status]! }));
  const chosen = [...all.map(row => ({ ...row, what: special[row.status] ?? row.what })), ...own];
  const rows = chosen
    .sort((one, other) => one.status - other.status)
    .map(({ status, code, what }) => `| ${status} | ${code} | ${what} |`);
  return ['## Exit status', ['| status | code | meaning |', '| --- | --- | --- |', ...rows].join('\n')];
}

function operands({ operands }: Command): Readonly<Record<string, string>> {
  return Object.fromEntries(
    operands.map(({ name, help, many, optional }) => {
      const more = optional === true ? ' (may be left out)' : many === true ? ' (one or more)' : '';
      return [name, `${help}${more}`];
    }),
  );
}

function list(names: readonly OptionName[], topic: Topic | undefined): string {
  return names
    .map(name => `- \`${formatFlag(name, topic, { aligned: false })}\`: ${describeOption(name, topic)}`)
    .join('\n');
}

function definitions(table: Readonly<Record<string, string>>): string {
  return Object.entries(table)
    .map(([name, text]) => `- \`${name}\`: ${text}`)
    .join('\n');
}

function block(lines: readonly string[]): string {
  return ['```', ...lines, '```'].join('\n');
}

function join(parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`;
}
