import { commandNames, findNearestCommand, type Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { formatHelp, formatOverview } from '../help.ts';
import { print } from '../output.ts';

export async function run({ operands: [word], values }: Invocation): Promise<number> {
  const name = commandNames.find(each => each === word);
  if (word !== undefined && name === undefined) {
    const nearest = findNearestCommand(word);
    const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
    throw new UsageError(`there is no command ${JSON.stringify(word)}${suggestion}`, 'see shale --help');
  }
  if (values.markdown) {
    const { formatManual, formatManualOverview } = await import('../manual.ts');
    print(name === undefined ? formatManualOverview() : formatManual(name));
  } else {
    print(name === undefined ? formatOverview() : formatHelp(name));
  }
  return 0;
}
