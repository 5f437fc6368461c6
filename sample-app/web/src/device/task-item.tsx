import { AddForm } from '../shared/add-form.js';
import { USER_NAMES } from '../shared/devices.js';
import { CommentIcon, CrossIcon } from '../shared/icons.js';
import { TitleField } from '../shared/title-field.js';
import type { Session } from './session.js';
import type { Comment, Task } from './tables.js';

export function TaskItem({
  task,
  comments,
  user,
  session,
  waiting,
  isOpen,
  onToggle,
}: {
  readonly task: Task;
  readonly comments: readonly Comment[];
  readonly user: string;
  readonly session: Session;
  /** Ids of records with an edit of this tab's that the server has not answered. */
  readonly waiting: ReadonlySet<string>;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}) {
  const owner = task.user_id ?? user;
  return (
    <li data-waiting={waiting.has(task.id)}>
      <div className="task">
        <TitleField
          value={task.title}
          label={`Title of ${task.title}`}
          onSave={(title) => session.renameTask(task, title)}
        />
        {owner !== user && <span className="badge">{USER_NAMES[owner] ?? owner}’s</span>}
        {waiting.has(task.id) && <span className="badge waiting">waits</span>}
        <button
          type="button"
          className="quiet"
          aria-expanded={isOpen}
          aria-label={`Comments on ${task.title}: ${comments.length}`}
          onClick={onToggle}
        >
          <CommentIcon /> <span aria-hidden="true">{comments.length}</span>
        </button>
        <button
          type="button"
          className="quiet"
          aria-label={`Delete ${task.title}`}
          onClick={() => void session.deleteTask(task)}
        >
          <CrossIcon />
        </button>
      </div>
      {isOpen && (
        <div className="comments">
          <ul aria-label={`Comments on ${task.title}`}>
            {comments.map((comment) => (
              <li key={comment.id} data-waiting={waiting.has(comment.id)}>
                <span>{comment.body}</span>
                {waiting.has(comment.id) && <span className="badge waiting">waits</span>}
                <button
                  type="button"
                  className="quiet"
                  aria-label={`Delete comment ${comment.body}`}
                  onClick={() => void session.deleteComment(comment)}
                >
                  <CrossIcon />
                </button>
              </li>
            ))}
          </ul>
          <AddForm
            label={`New comment on ${task.title}`}
            placeholder="New comment"
            button="Send"
            onAdd={(body) => void session.addComment(task.id, body)}
          />
        </div>
      )}
    </li>
  );
}
