export { caughtUp } from './caught-up.js';
export type { DeviceRow, DeviceVerdict } from './device-wire.js';
export { LiveChannel } from './live-channel.js';
export { SyncDeviceError } from './sync-device-error.js';
export { SyncDevice, type DeviceChange, type SendRequest, type SyncDeviceOptions } from './sync-device.js';
