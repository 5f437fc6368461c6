import { createRoot } from 'react-dom/client';
import { DEVICES } from '../shared/devices.js';
import { StoredFlag } from '../shared/value.js';
import { DeviceApp } from './device-app.js';
import { Network } from './network.js';
import { openSession } from './session.js';

const name = new URLSearchParams(window.location.search).get('device');
const device = DEVICES.find(({ id }) => id === name) ?? DEVICES[0];
document.title = device.name;

const network = new Network(device.id);
const isSignedOut = new StoredFlag(`signed-out:${device.id}`);
const open = () => openSession(device, network);

const root = document.querySelector('#root');
if (root === null) throw new Error('device.html has no #root');
const first = isSignedOut.get() ? null : await open();
createRoot(root).render(
  <DeviceApp device={device} network={network} isSignedOut={isSignedOut} first={first} open={open} />,
);
