/** The kernel's modules have one name, however a person or a file writes it. */
export function moduleName(text: string): string {
  return text.replaceAll('-', '_');
}
