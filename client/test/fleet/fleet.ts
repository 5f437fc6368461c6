import { eventually } from '../../../test/support/wait.js';
import type { Fleet, Holder } from '../../../test/oracle/holder.js';
import type { ClientKind, Operation } from '../../../test/oracle/operation.js';
import { violation, type Violation } from '../../../test/oracle/violation.js';
import type { Watch } from '../../../test/oracle/watch.js';
import { TABLE_NAMES } from '../../../test/oracle/world/tables.js';
import { at, type World } from '../../../test/oracle/world.js';
import type { Store } from '../../src/index.js';
import type { Row } from '../../src/records/record.js';
import { NodeHome, type Home } from './home.js';
import { Ledger } from './ledger.js';
import type { Screen } from './screen.js';
import { Weather } from './weather.js';
import { CLIENT_WORK } from './work.js';

export interface HomePlan {
  readonly user: string;
  readonly store: Store;
  readonly tabs: number;
}

/** Milliseconds within which a device catches up once nothing is wrong any more. */
const PATIENCE = 30_000;
/** Notes every row that ever waited for its parent, by user, table and id: a device has it for applied. */
const PARKED_SQL = `
  CREATE TABLE public.parked_ever (key text PRIMARY KEY);
  CREATE FUNCTION public.note_parked_ever() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO public.parked_ever
    VALUES (NEW.user_id || ' ' || NEW.table_name || ' ' || NEW.record_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
  END $$;
  CREATE TRIGGER note_parked_ever AFTER INSERT ON sync_parked_rows FOR EACH ROW EXECUTE FUNCTION public.note_parked_ever()`;
/** Kinds of operations that bear on all records of a device. */
const NOTEWORTHY = /Kill|Reload|Freeze|Full/;
const SKEWS = [0, 0, 2_500, -4_000];

/** Devices of the TypeScript client in the oracle's world. */
export class ClientFleet implements Fleet {
  private parked: ReadonlySet<string> = new Set();

  get size(): number {
    return this.homes.length;
  }

  private constructor(
    private readonly world: World,
    private readonly homes: readonly Home[],
  ) {}

  static async join(world: World, homes: readonly Home[]): Promise<ClientFleet> {
    await world.database.query(PARKED_SQL);
    const fleet = new ClientFleet(world, homes);
    world.fleet = fleet;
    await Promise.all(homes.map((home) => home.revive()));
    return fleet;
  }

  async perform(operation: Operation): Promise<void> {
    const home = at(this.homes, operation.a);
    await home.revive();
    const awake = home.screens.filter(({ isFrozen }) => !isFrozen);
    const screen = awake[(operation.b + operation.c) % awake.length];
    if (!screen) return;
    if (NOTEWORTHY.test(operation.kind)) home.ledger.diary.note(operation.kind);
    await CLIENT_WORK[operation.kind as ClientKind]({ world: this.world, home, screen, operation });
    this.world.did(operation.kind);
  }

  async catchUp(): Promise<readonly Violation[]> {
    await Promise.all(this.homes.map((home) => home.heal()));
    const stuck = await Promise.all(
      this.screens().map(async ({ name: user, screen }): Promise<Violation[]> => {
        try {
          await screen.caughtUp(PATIENCE);
          return [];
        } catch (error) {
          return [violation('divergence', '', '', `${user} can't catch up: ${String(error)}`)];
        }
      }),
    );
    return stuck.flat();
  }

  async holders(): Promise<readonly Holder[]> {
    const rows = await this.world.database.query<{ key: string }>('SELECT key FROM parked_ever');
    this.parked = new Set(rows.map(({ key }) => key));
    return Promise.all(this.screens().map((one) => this.holder(one)));
  }

  async judge({ history }: Watch): Promise<readonly Violation[]> {
    const found: Violation[] = [];
    for (const { ledger, user, screens } of this.homes) {
      const [screen] = screens;
      if (!screen) throw new Error(`nothing of ${user} is open`);
      await eventually(() => ledger.open().length === 0, { timeout: 2_000 }).catch(() => {
        for (const { table, id, title } of ledger.open())
          found.push(violation('verdict', table, id, `${user} waits for the verdict on "${title}"`));
      });
      const rejected = await screen.rejected();
      found.push(...ledger.judge(history, rejected, this.parked));
      for (const each of screens) {
        const status = await each.status();
        if (status.pending > 0 || status.error !== null)
          found.push(violation('verdict', '', '', `${user}: ${JSON.stringify(status)}`));
      }
      // One that was taken along goes with the one that took it.
      for (const { key, under } of rejected) if (under === undefined) await screen.discard(key);
      for (const outcome of ledger.outcomes()) this.world.did(`typed: ${outcome}`);
      ledger.forget();
    }
    return found;
  }

  /** How each device is doing. */
  async describe(): Promise<string> {
    const homes = await Promise.all(
      this.homes.map(async (home) => {
        const statuses = await Promise.all(home.screens.map((screen) => screen.status()));
        return [home.name, ...statuses.map((status) => JSON.stringify(status)), await home.stored()].join(
          '\n  ',
        );
      }),
    );
    return homes.join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.homes.map((home) => home.leave()));
  }

  private screens(): readonly { readonly user: string; readonly name: string; readonly screen: Screen }[] {
    return this.homes.flatMap(({ user, name, screens }) =>
      screens.map((screen, n) => ({ user, name: `${name} screen ${n + 1}`, screen })),
    );
  }

  private async holder({ user, name, screen }: ReturnType<ClientFleet['screens']>[number]): Promise<Holder> {
    const own = [...this.parked].filter((key) => key.startsWith(`${user} `));
    const tables = await Promise.all(
      TABLE_NAMES.map(async (table) => {
        const rows = await screen.rows(table);
        return [table, new Map(rows.map((row) => [String(row['id']), comparable(row)]))] as const;
      }),
    );
    const held = new Map<string, ReadonlyMap<string, Row>>(tables);
    return {
      userId: user,
      name,
      left: new Set(own.map((key) => key.slice(user.length + 1))),
      rows: (table) => held.get(table) ?? new Map(),
    };
  }
}

/** The homes that run in this process. */
export function nodeHomes(urls: readonly string[], plans: readonly HomePlan[]): readonly Home[] {
  return plans.map(
    (plan, n) =>
      new NodeHome({
        ...plan,
        name: `home ${n + 1} of ${plan.user}`,
        url: at(urls, n),
        weather: new Weather(at(SKEWS, n)),
        ledger: new Ledger(plan.user),
      }),
  );
}

/** Exact numbers as the history has them; one that is not the server's text stays as it is, and differs. */
function comparable(row: Row): Row {
  const { amount } = row;
  const isExact = typeof amount === 'string' && amount === Number(amount).toFixed(2);
  return isExact ? { ...row, amount: Number(amount) } : row;
}
