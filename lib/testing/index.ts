export { caughtUp } from './caught-up.js';
export type { DeviceRow, DeviceVerdict } from './device-wire.js';
export {
  SyncDevice,
  SyncDeviceError,
  type DeviceChange,
  type SendRequest,
  type SyncDeviceOptions,
} from './sync-device.js';
