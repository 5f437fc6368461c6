import { createSync, type AnyTables, type Store, type Sync } from '../../src/index.js';
import { TABLE_NAMES } from '../../../test/oracle/world/tables.js';
import { Fate } from './fate.js';
import type { Ledger } from './ledger.js';
import { mortalStore } from './mortal-store.js';
import { SyncScreen, type Screen } from './screen.js';
import { TabHub, type HubTab } from './tab-hub.js';
import { tellingStore } from './telling-store.js';
import type { Weather } from './weather.js';

/** A device of a user: its store outlives the processes and tabs that have it open. */
export interface Home {
  readonly user: string;
  /** For messages. */
  readonly name: string;
  readonly weather: Weather;
  readonly ledger: Ledger;
  readonly screens: readonly Screen[];
  /** Opens what was killed or signed out. */
  revive(): Promise<void>;
  /** Freezes the tab that talks to the server. */
  freezeLeader(): Promise<void>;
  thaw(): Promise<void>;
  /** Closes a screen as an app is left properly, or reloads it. */
  reload(screen: Screen): Promise<void>;
  /** The user has signed out on one of the screens. */
  signedOut(): Promise<void>;
  /** Ends all faults, and opens every screen. */
  heal(): Promise<void>;
  /** Ends everything; the store stays. */
  leave(): Promise<void>;
  /** What the store has besides rows, for messages. */
  stored(): Promise<string>;
}

export interface NodeHomeOptions {
  readonly user: string;
  readonly name: string;
  readonly url: string;
  readonly store: Store;
  /** How many tabs the user has open; a store that is never shared has one. */
  readonly tabs: number;
  readonly weather: Weather;
  readonly ledger: Ledger;
}

/** Processes, or tabs with a hub in place of a browser, in this very process. */
export class NodeHome implements Home {
  readonly user: string;
  readonly name: string;
  readonly weather: Weather;
  readonly ledger: Ledger;
  screens: NodeScreen[] = [];
  private readonly hub = new TabHub();
  private readonly closing = new Set<Promise<void>>();
  /** Frozen ones that the user has signed out elsewhere. */
  private zombies: NodeScreen[] = [];
  private opening: Promise<void> = Promise.resolve();

  constructor(private readonly options: NodeHomeOptions) {
    ({ user: this.user, name: this.name, weather: this.weather, ledger: this.ledger } = options);
  }

  revive(): Promise<void> {
    this.opening = this.opening.then(() => this.openAll());
    return this.opening;
  }

  async freezeLeader(): Promise<void> {
    const found = this.screens.find(({ hubTab }) => hubTab !== null && hubTab === this.hub.leader);
    const others = this.screens.filter(({ isFrozen }) => !isFrozen);
    if (!found || others.length < 2) return;
    found.fate.freeze();
    this.hub.steal();
  }

  async thaw(): Promise<void> {
    for (const { fate } of [...this.screens, ...this.zombies]) fate.thaw();
    for (const zombie of this.zombies) this.end(zombie);
    this.zombies = [];
    this.hub.next();
  }

  async reload(screen: Screen): Promise<void> {
    this.close((each) => each === screen);
  }

  async signedOut(): Promise<void> {
    this.zombies.push(...this.screens.filter(({ isFrozen }) => isFrozen));
    this.close(({ isFrozen }) => !isFrozen);
    this.screens = [];
  }

  async heal(): Promise<void> {
    this.weather.clear();
    await this.thaw();
    for (const { fate } of this.screens) fate.spare();
    await Promise.all(this.closing);
    await this.revive();
  }

  async leave(): Promise<void> {
    await this.opening;
    await this.thaw();
    this.close(() => true);
    await Promise.all(this.closing);
  }

  async stored(): Promise<string> {
    const open = await this.options.store.open(this.user);
    const { meta, entries } = await open.transact({ entries: 'all' }, (state) => ({ result: state }));
    if (this.options.tabs === 1) await open.close();
    return JSON.stringify([meta, [...entries.values()]]);
  }

  private async openAll(): Promise<void> {
    // A database is used by one process at a time.
    if (this.options.tabs === 1 && this.screens.length === 0) await Promise.all(this.closing);
    while (this.screens.length < this.options.tabs) this.screens.push(await this.open());
  }

  private async open(): Promise<NodeScreen> {
    const { user, url, store, weather, tabs } = this.options;
    const fate = new Fate(() => this.close((screen) => screen.fate === fate));
    const hubTab = tabs === 1 ? null : this.hub.join(fate);
    const sync = await createSync({
      url: `${url}/sync`,
      user,
      token: weather.token,
      headers: () => ({ 'x-user-id': user }),
      store: mortalStore(tellingStore(store, this.ledger), fate, hubTab),
      fetch: weather.fetchOf(fate, this.ledger.diary),
    });
    this.ledger.diary.note('a screen opens');
    await Promise.all(TABLE_NAMES.map((table) => sync.table(table).load()));
    return new NodeScreen(sync, fate, hubTab);
  }

  private close(which: (screen: NodeScreen) => boolean): void {
    const closed = this.screens.filter(which);
    this.screens = this.screens.filter((screen) => !closed.includes(screen));
    for (const screen of closed) this.end(screen);
  }

  private end({ fate, sync, hubTab }: NodeScreen): void {
    // A browser releases the lock of a tab that was killed.
    if (hubTab && fate.isDead) this.hub.leave(hubTab);
    const closed = sync.close().then(() => {
      if (hubTab) this.hub.leave(hubTab);
      this.closing.delete(closed);
    });
    this.closing.add(closed);
  }
}

class NodeScreen extends SyncScreen implements Screen {
  constructor(
    sync: Sync<AnyTables>,
    readonly fate: Fate,
    readonly hubTab: HubTab | null,
  ) {
    super(sync);
  }

  get isFrozen(): boolean {
    return this.fate.isFrozen;
  }

  async kill(atWrite?: { readonly writes: number; readonly isStored: boolean }): Promise<void> {
    if (atWrite) this.fate.dieAtWrite(atWrite.writes, atWrite.isStored);
    else this.fate.kill();
  }

  async fill(writes: number): Promise<void> {
    this.fate.fill(writes);
  }
}
