/** What a device tells the page around it of its talk with the server. */
export interface DeviceMessage {
  readonly type: 'device';
  readonly device: string;
  /** `pushed` and `pulled`: the answer has come. `poked`: the live stream says that there is something. */
  readonly kind: 'pushed' | 'poked' | 'pulled';
  /** Milliseconds since 1970, by the browser's clock. */
  readonly at: number;
  /** As far as the log goes in the answer or the poke; 0 of a push. */
  readonly checkpoint: number;
  /** `table/id` of what it is about. */
  readonly records: readonly string[];
}

export function clock(): number {
  return performance.timeOrigin + performance.now();
}

export function tellPage(message: Omit<DeviceMessage, 'type'>): void {
  window.parent.postMessage({ type: 'device', ...message } satisfies DeviceMessage, window.location.origin);
}

export function onDeviceMessage(listener: (message: DeviceMessage) => void): void {
  window.addEventListener('message', ({ origin, data }: MessageEvent<unknown>) => {
    if (origin === window.location.origin && isDeviceMessage(data)) listener(data);
  });
}

function isDeviceMessage(data: unknown): data is DeviceMessage {
  return typeof data === 'object' && data !== null && 'type' in data && data.type === 'device';
}
