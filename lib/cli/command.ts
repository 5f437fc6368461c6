/** Where a command writes to; each text is one or more whole lines. */
export interface CommandOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** @returns the exit status */
export type Command = (args: readonly string[], output: CommandOutput) => Promise<number>;
