import { DocumentTable } from '../document.ts';
import { RegistryError } from '../error.ts';
import { readText } from '../text-file.ts';

/**
 * A TOML file, `undefined` if it is not there. The parser is loaded for the first file that is. RegistryError `invalid`
 * names the file and the place, without the text there: a header in it may be a secret.
 */
export async function readToml(path: string): Promise<DocumentTable | undefined> {
  const text = await readText(path, 'the configuration');
  if (text === undefined) return undefined;
  const { parse, TomlError } = await import('smol-toml');
  try {
    return new DocumentTable(parse(text), path);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const problem = (error.message.split('\n', 1)[0] ?? '').replace(/^Invalid TOML document: /, '');
    throw new RegistryError('invalid', `${path}, line ${error.line}, column ${error.column}: ${problem}`, {
      detail: { path, line: error.line, column: error.column },
      hint: 'the file must be valid TOML',
    });
  }
}
