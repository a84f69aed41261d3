import type { CommandName } from './command.ts';

export function formatManualOverview(): string {
  return '';
}
export function formatManual(_: CommandName): string {
  return '';
}
