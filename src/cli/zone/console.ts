import { safe } from '../output.ts';

/** A line that goes on for longer is broken. */
const longest = 4096;

/** Tells what a guest's kernel writes, line by line, with nothing in it that steers a terminal. */
export function createConsole(tell: (line: string) => void): (text: string) => void {
  let rest = '';
  return text => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    while (rest.length > longest) {
      lines.push(rest.slice(0, longest));
      rest = rest.slice(longest);
    }
    for (const line of lines) tell(safe(line.replace(/\r+$/, '')));
  };
}
