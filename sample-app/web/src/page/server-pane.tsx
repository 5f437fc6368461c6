import { useState } from 'react';
import { AddForm } from '../shared/add-form.js';
import { USER_NAMES } from '../shared/devices.js';
import { CrossIcon } from '../shared/icons.js';
import { TitleField } from '../shared/title-field.js';
import { useObservable } from '../shared/use-observable.js';
import type { Server, ServerTask, Sharing } from './server.js';

/** The rows in PostgreSQL, changed by a controller that knows nothing of sync. */
export function ServerPane({ server }: { readonly server: Server }) {
  const tasks = useObservable(server.tasks);
  const error = useObservable(server.error);
  const [owner, setOwner] = useState('alice');
  return (
    <section className="server" aria-labelledby="server-title">
      <header>
        <h2 id="server-title">The server</h2>
        <span>A plain Nest controller with TypeORM</span>
      </header>
      <div className="body" tabIndex={0} role="group" aria-label="Tasks on the server">
        <AddForm label="New task" onAdd={(title) => void server.add(owner, title)}>
          <select
            aria-label="Owner of the new task"
            value={owner}
            onChange={(event) => setOwner(event.currentTarget.value)}
          >
            {Object.entries(USER_NAMES).map(([user, name]) => (
              <option key={user} value={user}>
                {name}
              </option>
            ))}
          </select>
        </AddForm>
        {error !== null && <p role="alert">{error}</p>}
        <ul className="tasks">
          {tasks.map((task) => (
            <ServerTaskItem key={task.id} task={task} server={server} />
          ))}
        </ul>
      </div>
    </section>
  );
}

function ServerTaskItem({ task, server }: { readonly task: ServerTask; readonly server: Server }) {
  const { id, title, user, shares } = task;
  const other = user === 'alice' ? 'bob' : 'alice';
  const share = shares.find((each) => each.user === other);
  const sharing: Sharing = share === undefined ? 'private' : share.canEdit ? 'edit' : 'read';
  const otherName = USER_NAMES[other] ?? other;
  return (
    <li>
      <div className="task">
        <TitleField
          value={title}
          label={`Title of ${title} on the server`}
          onSave={(text) => server.rename(id, text)}
        />
        <button
          type="button"
          className="quiet"
          aria-label={`Delete ${title} on the server`}
          onClick={() => void server.remove(id)}
        >
          <CrossIcon />
        </button>
      </div>
      <div className="sharing">
        <span className="badge">{USER_NAMES[user] ?? user}’s</span>
        <select
          aria-label={`Sharing of ${title}`}
          value={sharing}
          onChange={(event) => void server.share(id, other, event.currentTarget.value as Sharing)}
        >
          <option value="private">not shared</option>
          <option value="read">{otherName} reads and comments</option>
          <option value="edit">{otherName} edits</option>
        </select>
      </div>
    </li>
  );
}
