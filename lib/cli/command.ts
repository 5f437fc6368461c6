/** Where a command writes to; each text is one or more whole lines. */
export interface CommandOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}
