import { join } from 'node:path';
import type { FaultKind } from '../faults/fault.js';
import { FAULTS } from '../faults/kinds.js';
import { measureRecovery } from '../faults/recovery.js';
import type { Env } from '../faults/site-app.js';
import { Site } from '../faults/site.js';
import { RequestFuzzer } from '../fuzz/request-fuzzer.js';
import {
  ADMIN_KINDS,
  CLIENT_KINDS,
  DEVICE_KINDS,
  weighted,
  WRITER_KINDS,
  type OperationKind,
} from '../oracle/operation.js';
import type { Violation } from '../oracle/violation.js';
import type { Fleet } from '../oracle/holder.js';
import { perform } from '../oracle/perform.js';
import { Watch } from '../oracle/watch.js';
import { ODD_SETTINGS, ODD_SKEWS, ODD_SQL, oddRefuses } from '../oracle/world/odd.js';
import { World } from '../oracle/world.js';
import { Random } from '../support/random.js';
import { pause } from '../support/wait.js';
import { attack } from './attack.js';
import { lastLinesOf, stateOf } from './site-state.js';
import { WORLD_FUZZ_TABLES } from './world-fuzz-tables.js';

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  /** `odd`: a world of odd tables, settings and clocks. */
  readonly world: 'plain' | 'odd';
  /** Told after every fault and every round. */
  readonly report: (line: string) => void;
  /** Brings devices of another client into the world. Default: none. */
  readonly fleet?: (world: World, urls: readonly string[]) => Promise<SoakFleet>;
}

export interface SoakFleet extends Fleet {
  /** How many devices do something at the same time. */
  readonly size: number;
  describe(): Promise<string>;
  close(): Promise<void>;
}

/** How a fault was survived, in milliseconds. */
export interface Survived {
  readonly fault: string;
  readonly injected: number;
  readonly push: number;
  readonly pull: number;
}

const USERS = ['alice', 'bob', 'carol', 'dora'];
const FAULTS_PER_ROUND = 24;
const ROUNDS_PER_ATTACK = 2;
/** Two writers, and an administrator. */
const WRITERS = 2;
const FUZZERS = 3;
/** Longest pause between two things that one actor does, in milliseconds. */
const PACE = { device: 60, client: 120, writer: 60, administrator: 600, fuzzer: 40, lag: 200 };
/** Milliseconds for which a process that was replaced may still answer. */
const REPLACED = 5_000;
/** Milliseconds of recovery from which on the apps' last lines are told. */
const SLOW = 5_000;
const WORLD_MAIN = join(import.meta.dirname, '../../dist/world/main.js');

/** People, host code, an administrator and an attacker at work on three instances, while one thing after another breaks. */
export class Soak {
  readonly survived: Survived[] = [];
  rounds = 0;
  private readonly random: Random;
  private stopping = false;
  private disturbed = false;
  /** When the last fault was over. */
  private calmSince = -Infinity;
  private bag: FaultKind[] = [];
  private fleet: SoakFleet | null = null;

  private constructor(
    private readonly site: Site,
    readonly world: World,
    readonly fuzzer: RequestFuzzer,
    private readonly options: SoakOptions,
  ) {
    this.random = new Random(options.seed);
  }

  static async start(options: SoakOptions): Promise<Soak> {
    const isOdd = options.world === 'odd';
    const site = await Site.start({
      main: WORLD_MAIN,
      // One without: its pulls share their probes.
      env: (n): Env => ({ WORLD: options.world, ...(n > 1 && { STATEMENT_TIMEOUT: '5000' }) }),
      host: {
        table: 'projects',
        insertSql: `INSERT INTO projects (id, user_id, title) SELECT id, $2, 'a probe' FROM unnest($1::uuid[]) AS t (id)`,
        row: { title: 'a probe' },
      },
      prepare: async (database) => {
        await World.prepare(database, isOdd ? ODD_SQL : undefined);
        await World.populate(database, USERS);
      },
      settings: { track_commit_timestamp: 'on' },
    });
    await Watch.prepareRestores(site.database);
    const world = new World(site.database, {
      urls: site.urls,
      users: USERS,
      seed: options.seed,
      slack: 500,
      patience: 120_000,
      ...(isOdd && { refuses: oddRefuses, pageBytes: ODD_SETTINGS.maxPageBytes, skews: ODD_SKEWS }),
      isDisturbed: () => soak.disturbed,
    });
    const soak: Soak = new Soak(
      site,
      world,
      new RequestFuzzer({
        seed: options.seed,
        url: () => site.urls[0] ?? '',
        database: site.database,
        tables: WORLD_FUZZ_TABLES,
        watchDevices: false,
        // A process that is replaced goes on with the connections that it has, and refuses what comes by them.
        disturbed: () => soak.disturbed || performance.now() < soak.calmSince + REPLACED,
      }),
      options,
    );
    await soak.fuzzer.start();
    soak.fleet = (await options.fleet?.(world, site.urls)) ?? null;
    return soak;
  }

  /** @returns what must never be, with its story; nothing more is done after the first round that has any */
  async run(): Promise<readonly string[]> {
    const until = performance.now() + this.options.minutes * 60_000;
    while (performance.now() < until) {
      await this.round(until);
      this.site.checkCrashes();
      const violations = await this.world.settle();
      if (violations.length > 0) {
        this.options.report([(await this.fleet?.describe()) ?? '', await stateOf(this.site)].join('\n'));
        return violations.slice(0, 20).map((one) => this.tell(one));
      }
      await this.fuzzer.check();
      const choose = (count: number): number => this.random.below(count);
      if (this.rounds % ROUNDS_PER_ATTACK === 0) this.options.report(await attack(this.site, choose));
      this.world.forget();
      this.rounds += 1;
      this.options.report(this.progress());
    }
    return [];
  }

  get operations(): number {
    return [...this.world.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    this.stopping = true;
    this.fuzzer.close();
    await this.fleet?.close();
    await this.site.close();
  }

  private async round(until: number): Promise<void> {
    this.stopping = false;
    const actors = [
      ...this.world.phones.map((_, n) => this.act(weighted(DEVICE_KINDS), PACE.device, n)),
      ...Array.from({ length: this.fleet?.size ?? 0 }, (_, n) =>
        this.act(weighted(CLIENT_KINDS), PACE.client, n),
      ),
      ...Array.from({ length: WRITERS }, () => this.act(weighted(WRITER_KINDS), PACE.writer)),
      // Slots are lost by faults.
      this.act(weighted({ ...ADMIN_KINDS, loseSlot: 0 }), PACE.administrator),
      this.repeat(PACE.lag, () => this.world.watch.recordLag().catch(() => undefined)),
      ...Array.from({ length: FUZZERS }, () => this.repeat(PACE.fuzzer, () => this.fuzzer.next())),
    ];
    const acting = Promise.all(actors);
    const breaking = (async () => {
      for (let n = 0; n < FAULTS_PER_ROUND && performance.now() < until; n++) await this.break();
    })();
    try {
      // An actor that fails ends the round: it is the reason to tell.
      await Promise.race([breaking, acting]);
    } finally {
      this.stopping = true;
      await Promise.allSettled([breaking, acting]);
    }
    await breaking;
    await acting;
  }

  private async break(): Promise<void> {
    if (this.bag.length === 0) this.bag = [...this.random.shuffled(FAULTS)];
    const fault = this.bag.pop();
    if (!fault || this.stopping) return;
    this.disturbed = true;
    const began = performance.now();
    try {
      await fault.inject(this.site, this.random);
      const injected = Math.round(performance.now() - began);
      if (fault.name === 'sync-tables-restored') await this.world.watch.recordRestore();
      const recovery = await measureRecovery(this.site);
      this.disturbed = false;
      this.calmSince = performance.now();
      this.survived.push({ fault: fault.name, injected, ...recovery });
      this.options.report(
        `${fault.name}: ${injected} ms, push ${recovery.push} ms, pull ${recovery.pull} ms`,
      );
      if (recovery.pull > SLOW) this.options.report(lastLinesOf(this.site));
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${fault.name}: ${message}\n${await stateOf(this.site)}`, { cause });
    }
  }

  /** @param device undefined: any */
  private async act(kinds: readonly OperationKind[], pace: number, device?: number): Promise<void> {
    const random = new Random(this.random.below(2 ** 31));
    await this.repeat(pace, async () => {
      await perform(this.world, {
        kind: random.pick(kinds),
        a: device ?? random.below(10_000),
        b: random.below(10_000),
        c: random.below(10_000),
        meanwhile: false,
      });
      await pause(random.below(pace));
    });
  }

  private async repeat(pace: number, work: () => Promise<void>): Promise<void> {
    while (!this.stopping) {
      await work();
      await pause(pace / 2);
    }
  }

  private tell(violation: Violation): string {
    const { rule, table, id, what } = violation;
    return `${rule} ${table} ${id}: ${what}\n${this.world.watch.story(violation)}`;
  }

  private progress(): string {
    const { sent, excused } = this.fuzzer.summary();
    return `round ${this.rounds}: ${this.operations} operations, ${this.survived.length} faults, ${sent} fuzzed requests (${excused} excused)`;
  }
}
