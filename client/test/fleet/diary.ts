import { canonicalId } from '../../../test/oracle/ids.js';
import type { Writes } from '../../src/store/store.js';

/** One thing that happened to a device, and the records that it was about; none: all of them. */
interface Note {
  readonly at: string;
  readonly text: string;
  readonly ids: ReadonlySet<string>;
}

/** The events of a device since it last came to rest: they explain the end of an edit. */
export class Diary {
  private notes: Note[] = [];

  note(text: string, ids: Iterable<string> = []): void {
    this.notes.push({ at: new Date().toISOString(), text, ids: new Set([...ids].map(canonicalId)) });
  }

  /** A write of the store: pending edits and refused ones. */
  noteStored({ entries = [], refused = [] }: Pick<Writes, 'entries' | 'refused'>): void {
    for (const { id, entry } of entries) {
      if (!entry) this.note('no edit is pending any more', [id]);
      else {
        const { operation, patch, generation, sent } = entry;
        this.note(`pending: ${JSON.stringify({ operation, patch, generation, sent })}`, [id]);
      }
    }
    for (const { key, refused: item } of refused)
      this.note(`rejected ${key}: ${item ? `${item.status} ${item.reason}` : 'goes'}`, [idOfKey(key)]);
  }

  /** A push and its answer, or why there is none. */
  noteRequest(url: string, sent: unknown, outcome: string): void {
    if (!url.endsWith('/push') || typeof sent !== 'string') return;
    const { changes } = JSON.parse(sent) as { changes: readonly { readonly id: string }[] };
    const results = resultsOf(outcome);
    for (const { id, ...change } of changes) {
      const result = results?.find((each) => each.id === id);
      this.note(`pushed ${JSON.stringify(change)}: ${JSON.stringify(result ?? outcome.slice(0, 200))}`, [id]);
    }
  }

  /** All that is about one of these records, and from the first of it on what was about the whole device. */
  about(ids: Iterable<string>): string {
    const wanted = [...ids].map(canonicalId);
    const isOwn = ({ ids: of }: Note): boolean => wanted.some((id) => of.has(id));
    const first = this.notes.findIndex(isOwn);
    if (first === -1) return '  nothing is known of it';
    return this.notes
      .slice(first)
      .filter((note) => note.ids.size === 0 || isOwn(note))
      .map(({ at, text, ids: of }) => `  ${at} ${[...of].map((id) => id.slice(0, 8)).join(' ')} ${text}`)
      .join('\n');
  }

  forget(): void {
    this.notes = [];
  }
}

/** Of an answer; undefined where it is none. */
function resultsOf(text: string): readonly { readonly id: string }[] | undefined {
  if (!text.startsWith('{')) return undefined;
  const { accepted, rejected } = JSON.parse(text) as Partial<
    Record<'accepted' | 'rejected', readonly { readonly id: string; readonly server_version?: unknown }[]>
  >;
  return [...(accepted ?? []), ...(rejected ?? [])].map(({ server_version: _long, ...result }) => result);
}

function idOfKey(key: string): string {
  return key.slice(key.indexOf('/') + 1).split(/[:#]/)[0] ?? '';
}
