import { Listeners } from '../../src/observable.js';
import { MISSED, type Tabs } from '../../src/store/store.js';
import type { Fate } from './fate.js';

/** The tabs of one browser, in this process: messages, and one leader, whose lead is taken when it is frozen. */
export class TabHub {
  readonly members = new Set<HubTab>();
  private leading: Term | null = null;
  private readonly waiting = new Set<Term>();

  join(fate: Fate): HubTab {
    const tab = new HubTab(this, fate);
    this.members.add(tab);
    return tab;
  }

  get leader(): HubTab | null {
    return this.leading?.tab ?? null;
  }

  /** Lets another tab lead; the former one hears of it when it is awake. */
  steal(): void {
    const former = this.leading;
    if (!former) return;
    this.leading = null;
    this.next();
    void former.tab.whenAwake(() => former.lost.abort());
  }

  wait(term: Term): void {
    this.waiting.add(term);
    this.next();
  }

  end(term: Term): void {
    this.waiting.delete(term);
    if (this.leading === term) this.leading = null;
    this.next();
  }

  /** The tab was killed or closed. */
  leave(tab: HubTab): void {
    this.members.delete(tab);
    for (const term of this.waiting) if (term.tab === tab) this.waiting.delete(term);
    if (this.leading?.tab === tab) this.leading = null;
    this.next();
  }

  /** Lets a tab lead that waits for it, if none does. */
  next(): void {
    const [term] = [...this.waiting].filter(({ tab }) => !tab.fate.isFrozen);
    if (this.leading || !term) return;
    this.waiting.delete(term);
    this.leading = term;
    term.begin();
  }
}

/** One tab's wish to lead, and its lead. */
interface Term {
  readonly tab: HubTab;
  readonly lost: AbortController;
  readonly begin: () => void;
}

export class HubTab implements Tabs {
  private readonly listeners = new Listeners<[unknown]>();
  private inbox: Promise<void> = Promise.resolve();

  constructor(
    private readonly hub: TabHub,
    readonly fate: Fate,
  ) {}

  post(message: unknown): void {
    if (this.fate.isDead) return;
    for (const other of this.hub.members) if (other !== this) other.deliver(structuredClone(message));
  }

  listen(listener: (message: unknown) => void): () => void {
    return this.listeners.add(listener);
  }

  elect(lead: (lost: AbortSignal) => Promise<void>): () => Promise<void> {
    const leaving = new AbortController();
    const run = async (): Promise<void> => {
      while (!leaving.signal.aborted && !this.fate.isDead) await this.term(lead, leaving.signal);
    };
    const done = run();
    return () => {
      leaving.abort();
      return done;
    };
  }

  whenAwake(work: () => void): Promise<void> {
    // The dead hear nothing.
    return this.fate.awake().then(work, () => undefined);
  }

  private deliver(message: unknown): void {
    this.inbox = this.inbox.then(() => this.whenAwake(() => this.listeners.call(message)));
  }

  private async term(lead: (lost: AbortSignal) => Promise<void>, leaving: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const begun = new Promise<boolean>((resolve) => {
      const term: Term = { tab: this, lost, begin: () => resolve(true) };
      leaving.addEventListener('abort', () => {
        lost.abort();
        resolve(false);
      });
      lost.signal.addEventListener('abort', () => this.hub.end(term));
      this.hub.wait(term);
    });
    if (await begun) await lead(lost.signal);
    lost.abort();
    if (!leaving.aborted) this.listeners.call(MISSED);
  }
}
