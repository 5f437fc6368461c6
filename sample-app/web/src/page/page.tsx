import { DEVICES } from '../shared/devices.js';
import { ServerPane } from './server-pane.js';
import type { Server } from './server.js';
import { TimeLine } from './time-line.js';
import type { TimeLineStore } from './time-line-store.js';

export function Page({ server, timeLine }: { readonly server: Server; readonly timeLine: TimeLineStore }) {
  return (
    <>
      <header className="top">
        <h1>nestjs-synchro</h1>
        <p>
          Three devices with a store of their own each, and the server. Change something and watch where it
          goes.
        </p>
      </header>
      <main>
        <ol className="tries" aria-label="What to try">
          <li>Take Alice’s phone offline and rename a task there.</li>
          <li>Rename the same task on her laptop, then take the phone online again: a conflict.</li>
          <li>Share a task with Bob on the server, and comment on it as Bob.</li>
          <li>Rename a task on the server: nobody calls sync.</li>
        </ol>
        <div className="panes">
          {DEVICES.map(({ id, name }) => (
            <iframe key={id} className="frame" title={name} src={`device.html?device=${id}`} />
          ))}
          <ServerPane server={server} />
        </div>
        <TimeLine store={timeLine} />
      </main>
    </>
  );
}
