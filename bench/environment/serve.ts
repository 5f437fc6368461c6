import type { ProcessMessage } from './node-process.js';

interface Call {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

type Commands = Readonly<Record<string, (argument: never) => unknown>>;

/**
 * The other side of `startProcess`: says that the process is ready, and answers calls until it is told to end.
 * @param url what is said with it
 * @param close ends what keeps the process alive
 */
export function serve(commands: Commands, url: string, close: () => Promise<void>): void {
  process.on('message', ({ id, command, argument }: Call) => {
    Promise.resolve()
      .then(() => commands[command]?.(argument as never))
      .then(
        (answer) => send({ id, answer }),
        (error: unknown) => send({ id, error: String(error) }),
      );
  });
  const leave = (): void => void close().finally(() => process.exit(0));
  process.once('SIGTERM', leave);
  // The benchmark is gone, in whatever way.
  process.once('disconnect', leave);
  // Ctrl-C reaches the whole group: the benchmark ends its processes itself.
  process.on('SIGINT', () => undefined);
  send({ ready: url });
}

function send(message: ProcessMessage): void {
  process.send?.(message);
}
