import { useState } from 'react';
import { AddForm } from '../shared/add-form.js';
import type { Device } from '../shared/devices.js';
import { useObservable } from '../shared/use-observable.js';
import { EditLog } from './edit-log.js';
import type { Network } from './network.js';
import { RefusedEdits } from './refused-edits.js';
import type { Session } from './session.js';
import { SignOut } from './sign-out.js';
import { StatusLine } from './status-line.js';
import { TaskItem } from './task-item.js';

export function DeviceView({
  device,
  network,
  session,
  onSignedOut,
}: {
  readonly device: Device;
  readonly network: Network;
  readonly session: Session;
  readonly onSignedOut: () => void;
}) {
  const isOffline = useObservable(network.isOffline);
  const tasks = useObservable(session.tasks);
  const comments = useObservable(session.comments);
  const edits = useObservable(session.edits);
  const [openTask, setOpenTask] = useState<string | null>(null);
  const waiting = new Set(
    edits.flatMap(({ record, verdict }) => (verdict.status === 'waiting' ? record : [])),
  );
  return (
    <div className="device">
      <header>
        <h1>{device.name}</h1>
        <button
          type="button"
          role="switch"
          className="switch"
          aria-checked={!isOffline}
          onClick={() => network.isOffline.set(!isOffline)}
        >
          Online
        </button>
        <SignOut session={session} onSignedOut={onSignedOut} />
      </header>
      <StatusLine sync={session.sync} />
      <main>
        <AddForm label="New task" onAdd={(title) => void session.addTask(title)} />
        {tasks.length === 0 && <p className="empty">No tasks yet.</p>}
        <ul className="tasks" aria-label="Tasks">
          {tasks.map((task) => (
            <TaskItem
              key={task.id}
              task={task}
              comments={comments.filter(({ task_id: id }) => id === task.id)}
              user={device.user}
              session={session}
              waiting={waiting}
              isOpen={openTask === task.id}
              onToggle={() => setOpenTask(openTask === task.id ? null : task.id)}
            />
          ))}
        </ul>
      </main>
      <RefusedEdits session={session} />
      <EditLog edits={edits} />
    </div>
  );
}
