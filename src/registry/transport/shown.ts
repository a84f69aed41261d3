import { byteString, printable } from '../../tree/index.ts';

/** A URL for people and programs: without user and password, query and fragment, which are where secrets live. */
export function showUrl(url: URL): string {
  return printable(byteString(`${url.protocol}//${url.host}${url.pathname}`.slice(0, 500)));
}

/** Text from a server, such as it may be printed: one line, nothing that steers a terminal, of bounded length. */
export function showText(text: string, limit = 300): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return printable(byteString(line.length > limit ? `${line.slice(0, limit)}…` : line));
}
