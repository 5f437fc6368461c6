import { DEVICES } from '../shared/devices.js';
import { useObservable } from '../shared/use-observable.js';
import type { DeviceTimes, TimeLineRow, TimeLineStore } from './time-line-store.js';

/** The way of the last changes, in milliseconds: commit, log, poke, pull. */
export function TimeLine({ store }: { readonly store: TimeLineStore }) {
  const rows = useObservable(store.rows);
  return (
    <section className="time-line" aria-labelledby="time-line-title">
      <header>
        <h2 id="time-line-title">Time line</h2>
        <span>
          Milliseconds after the commit in PostgreSQL: when the change log had it, when a device was poked,
          when it had pulled the row
        </span>
      </header>
      <div className="scroll" tabIndex={0} role="group" aria-label="The last changes">
        <table>
          <thead>
            <tr>
              <th scope="col">Change</th>
              <th scope="col">commit</th>
              <th scope="col">log</th>
              {DEVICES.map(({ id, name }) => (
                <th key={id} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.seq} row={row} />
            ))}
          </tbody>
        </table>
        {rows.length === 0 && <p className="empty">Change something, anywhere.</p>}
      </div>
    </section>
  );
}

function Row({ row: { text, log, devices } }: { readonly row: TimeLineRow }) {
  return (
    <tr>
      <th scope="row">{text}</th>
      <td>
        {log === null ? <abbr title="PostgreSQL does not say when; counted from the log">–</abbr> : '0'}
      </td>
      <td>{log === null ? '0' : milliseconds(log)}</td>
      {DEVICES.map(({ id }) => (
        <td key={id}>{timesText(devices.get(id))}</td>
      ))}
    </tr>
  );
}

function timesText(times: DeviceTimes | undefined): string {
  if (times === undefined) return '';
  const pull = `pull ${milliseconds(times.pull)}`;
  return times.poke === null ? pull : `poke ${milliseconds(times.poke)} · ${pull}`;
}

function milliseconds(time: number): string {
  if (time >= 10_000) return `${Math.round(time / 1_000)} s`;
  return time >= 100 ? String(Math.round(time)) : time.toFixed(1);
}
