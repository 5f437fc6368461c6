import type { PullResponse, PushResponse, SnapshotResponse } from '../support/wire.js';
import { Convergence } from './convergence.js';
import { Evidence, type EvidenceOptions } from './evidence.js';
import type { History } from './history.js';
import type { Holder } from './holder.js';
import type { Exchange } from './exchange.js';
import type { Phone } from './phone.js';
import { Promises } from './promises.js';
import { type KnownCauses, Protocol } from './protocol.js';
import { PullJudge } from './pull-judge.js';
import { PushJudge } from './push-judge.js';
import type { Violation } from './violation.js';

export type OracleOptions = EvidenceOptions & KnownCauses;

/** Judges answers and devices by the history of the tables. Shares no code with the library. */
export class Oracle {
  private readonly pulls: PullJudge;
  private readonly pushes: PushJudge;
  private readonly promises: Promises;
  private readonly convergence: Convergence;
  private readonly protocol: Protocol;

  constructor(history: History, options: OracleOptions) {
    const evidence = new Evidence(history, options);
    this.promises = new Promises(evidence);
    this.pulls = new PullJudge(evidence);
    this.pushes = new PushJudge(evidence, this.pulls, this.promises);
    this.convergence = new Convergence(evidence);
    this.protocol = new Protocol(evidence, options);
  }

  /** An answer; in the order in which they came. */
  judge(exchange: Exchange): readonly Violation[] {
    const { path, answer } = exchange;
    if (answer.status === 0) {
      if (path === 'push') this.pushes.unanswered(exchange);
      return [];
    }
    const found = this.protocol.judge(exchange);
    if (answer.status !== 200 || found.length > 0) return found;
    if (path === 'pull') return this.pulls.pull(exchange, answer.json as unknown as PullResponse);
    if (path === 'push') return this.pushes.judge(exchange, answer.json as unknown as PushResponse);
    if (path !== 'snapshot') return [];
    const { records } = answer.json as unknown as SnapshotResponse;
    return records.flatMap((record) => this.pulls.record(exchange, record));
  }

  /** How often what has to be tried was tried. */
  get paths(): ReadonlyMap<string, number> {
    return this.promises.paths;
  }

  /** What was accepted, and is nowhere. @param parked see {@link Promises.broken} */
  broken(parked: ReadonlySet<string>): readonly Violation[] {
    return this.promises.broken(parked);
  }

  /** The sync tables were put back to what they once were. @param parked what was lost of what waited for its parent */
  restored(parked: ReadonlySet<string>, phones: readonly Phone[]): void {
    for (const key of this.promises.restored(parked)) {
      const [user, ...row] = key.split(' ');
      for (const phone of phones) if (phone.userId === user) phone.left.add(row.join(' '));
    }
  }

  /** See {@link Convergence.divergence}. */
  divergence(
    device: Holder,
    parked: ReadonlySet<string>,
    labels: ReadonlySet<unknown>,
  ): readonly Violation[] {
    return this.convergence.divergence(device, parked, labels);
  }
}
