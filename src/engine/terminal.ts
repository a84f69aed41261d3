/** What a command line needs of the host for a raw terminal; loaded only where there is one. */
export { disableOutputProcessing } from '../host/terminal.ts';
