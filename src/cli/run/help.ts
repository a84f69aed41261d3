import { findTopic, type Invocation } from '../command/index.ts';
import { formatHelp, formatOverview } from '../help.ts';
import { print } from '../output.ts';
import { unknownCommand } from '../parse.ts';

export async function run({ operands: words, values }: Invocation): Promise<number> {
  const found = findTopic(words);
  if (words.length > (found?.length ?? 0)) throw unknownCommand(words.join(' '), found?.topic);
  const topic = found?.topic;
  if (values.markdown) {
    const { formatManual, formatManualOverview } = await import('../manual.ts');
    print(topic === undefined ? formatManualOverview() : formatManual(topic));
  } else {
    print(topic === undefined ? formatOverview() : formatHelp(topic));
  }
  return 0;
}
