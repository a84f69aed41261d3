import { WriteStream } from 'node:tty';

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** The size of our terminal, now and whenever it changes. A terminal that does not know its size has the usual one. */
export function createTerminalSize(): {
  size(): TerminalSize;
  onResize(listener: () => void): () => void;
} {
  return {
    size: () => {
      const [columns, rows] = measure();
      return { rows: rows || 24, columns: columns || 80 };
    },
    onResize: listener => {
      // After Node's own listeners, which take the new size.
      const later = () => setImmediate(listener);
      process.on('SIGWINCH', later);
      return () => {
        process.off('SIGWINCH', later);
      };
    },
  };
}

function measure(): [columns: number, rows: number] {
  const output = [process.stdout, process.stderr].find(({ isTTY }) => isTTY);
  if (output !== undefined) return output.getWindowSize();
  const stream = new WriteStream(0);
  try {
    return stream.getWindowSize();
  } finally {
    stream.destroy();
  }
}
