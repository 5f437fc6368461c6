/** The server's answer was not 200. */
export class SyncDeviceError extends Error {
  override readonly name = 'SyncDeviceError';

  constructor(
    route: string,
    readonly status: number,
    readonly text: string,
  ) {
    super(`${route} answered ${status}: ${text}`);
  }
}
