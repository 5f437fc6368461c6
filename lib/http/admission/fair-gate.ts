/** Limits of a {@link FairGate}. */
export interface GateLimits {
  /** So many at a time. */
  readonly total: number;
  /** Of one user. */
  readonly perUser: number;
  /** So many of one user may wait. */
  readonly waiting: number;
  /** Milliseconds that one may wait. */
  readonly patience: number;
}

/** Gives the place back, the first time that it is called. */
export type Leave = () => void;

/** There is no place, and there won't be one soon. */
export class GateBusyError extends Error {
  override readonly name = 'GateBusyError';
}

interface Waiter {
  readonly admit: () => void;
  readonly refuse: () => void;
  readonly isGone: () => boolean;
}

/**
 * Lets a number of requests in at a time. Users take turns, each with one request, so that no user's queue stands
 * before another one's; a user's own requests are let in as they came.
 */
export class FairGate {
  private total = 0;
  private readonly inside = new Map<string, number>();
  /** In the order in which the users had their last turn. */
  private readonly queues = new Map<string, Waiter[]>();

  constructor(private readonly limits: GateLimits) {}

  /**
   * Resolves when it is the request's turn.
   * @param isGone whether no client waits for the answer any more: the request loses its turn then
   * @throws GateBusyError when too many of the user's wait, or it has waited for too long
   */
  enter(user: string, isGone: () => boolean = () => false): Promise<Leave> {
    if (this.hasRoom(user)) return Promise.resolve(this.take(user));
    const queue = (this.queues.get(user) ?? []).filter((waiter) => !dropGone(waiter));
    this.queues.set(user, queue);
    return queue.length < this.limits.waiting ? this.wait(user, isGone) : Promise.reject(new GateBusyError());
  }

  /** Waiters hold no reference to each other: those that have left would stay in memory while others wait (W-LOAD-36). */
  private wait(user: string, isGone: () => boolean): Promise<Leave> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.forget(user, waiter), this.limits.patience);
      const waiter: Waiter = {
        isGone,
        admit: () => {
          clearTimeout(timer);
          resolve(this.take(user));
        },
        refuse: () => {
          clearTimeout(timer);
          reject(new GateBusyError());
        },
      };
      this.queues.get(user)?.push(waiter);
    });
  }

  private hasRoom(user: string): boolean {
    return this.total < this.limits.total && (this.inside.get(user) ?? 0) < this.limits.perUser;
  }

  private take(user: string): Leave {
    let isInside = true;
    this.count(user, 1);
    return () => {
      if (!isInside) return;
      isInside = false;
      this.count(user, -1);
      this.admitWaiting();
    };
  }

  private count(user: string, change: 1 | -1): void {
    const count = (this.inside.get(user) ?? 0) + change;
    this.total += change;
    if (count > 0) this.inside.set(user, count);
    else this.inside.delete(user);
  }

  private admitWaiting(): void {
    for (const [user, queue] of this.queues) {
      if (this.total >= this.limits.total) return;
      if (!this.hasRoom(user)) continue;
      let next = queue.shift();
      while (next && dropGone(next)) next = queue.shift();
      this.queues.delete(user);
      // Behind all others.
      if (queue.length > 0) this.queues.set(user, queue);
      next?.admit();
    }
  }

  private forget(user: string, waiter: Waiter): void {
    const queue = (this.queues.get(user) ?? []).filter((each) => each !== waiter);
    if (queue.length > 0) this.queues.set(user, queue);
    else this.queues.delete(user);
    waiter.refuse();
  }
}

function dropGone(waiter: Waiter): boolean {
  const isGone = waiter.isGone();
  if (isGone) waiter.refuse();
  return isGone;
}
