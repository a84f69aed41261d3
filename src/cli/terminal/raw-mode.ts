import { disableOutputProcessing } from '../../engine/terminal.ts';

/**
 * Puts the terminal of standard input into raw mode: keys go in as they are, bytes come out as they are. Returns what restores it;
 * the end of the process does, too, and a Shale that was stopped finds its mode again when it goes on.
 */
export function enterRawMode(): () => void {
  const { stdin } = process;
  const enter = () => {
    stdin.setRawMode(true);
    disableOutputProcessing(stdin.fd);
  };
  const again = () => {
    // Node takes it for raw already.
    stdin.setRawMode(false);
    enter();
  };
  const restore = () => {
    process.off('SIGCONT', again);
    process.off('exit', restore);
    stdin.setRawMode(false);
  };
  process.on('SIGCONT', again);
  process.on('exit', restore);
  enter();
  return restore;
}
