import { useEffect, useState } from 'react';
import type { Device } from '../shared/devices.js';
import { useObservable } from '../shared/use-observable.js';
import type { StoredFlag } from '../shared/value.js';
import { DeviceView } from './device-view.js';
import type { Network } from './network.js';
import type { Session } from './session.js';

/** A device, as long as its user is signed in; else the way back in. */
export function DeviceApp({
  device,
  network,
  isSignedOut,
  first,
  open,
}: {
  readonly device: Device;
  readonly network: Network;
  readonly isSignedOut: StoredFlag;
  readonly first: Session | null;
  readonly open: () => Promise<Session>;
}) {
  const [session, setSession] = useState(first);
  const isOut = useObservable(isSignedOut);

  // Another tab may have signed in or out.
  useEffect(() => {
    if (isOut) setSession(null);
    else if (session === null) void open().then(setSession);
  }, [isOut, session, open]);

  if (isOut || session === null) {
    return (
      <main className="signed-out">
        <h1>{device.name}</h1>
        <p>Signed out. Nothing of the user’s is left on this device.</p>
        <button type="button" className="primary" onClick={() => isSignedOut.set(false)}>
          Sign in
        </button>
      </main>
    );
  }
  return (
    <DeviceView
      device={device}
      network={network}
      session={session}
      onSignedOut={() => isSignedOut.set(true)}
    />
  );
}
