import type { Mutation } from './mutation.js';

/** Runs of the oracle within which each has to be caught. */
const RUNS = process.env['ORACLE_RUNS'] ?? '20';

/** Where the oracle looks: in the second world, with half as many runs, when it finds nothing in the first. */
const WORLDS = ['whatever people, devices and the host do', 'nor is it in a world of odd tables'];

/** Breaks by which rows are lost or leaked. */
const NAMES: ReadonlySet<string> = new Set([
  // Who sees what.
  'former-bucket-keeps-the-row',
  'deletes-come-after-creates',
  'soft-delete-removes-the-edges',
  'row-inserted-as-deleted-is-live',
  'children-stay-when-the-parent-moves',
  'rows-that-are-gone-wait-for-their-own-change',
  'children-that-are-gone-follow-their-parent',
  'edges-go-without-an-entry',
  'a-new-parent-with-the-same-buckets-is-forgotten',
  'entries-take-the-records-of-other-edges',
  'waiting-child-is-not-released',
  'served-time-is-never-set',
  'row-new-to-a-bucket-keeps-its-time',
  'key-change-leaves-the-old-id',
  'bucket-source-that-goes-is-ignored',
  'first-edges-are-not-made',
  'truncate-is-ignored',
  'deletes-are-told-in-one-bucket',
  'children-inherit-from-live-edges-alone',
  'undeleted-rows-keep-their-time',
  // What pulls and snapshots give.
  'pull-does-not-check-membership',
  'dead-edges-count-as-membership',
  'hydration-without-the-default-rule',
  'snapshot-without-the-default-rule',
  'left-out-rows-are-forgotten',
  'undeleted-row-is-deleted',
  'cut-page-passes-over-its-rest',
  'nobody-looks-whether-what-is-gone-is-back',
  'row-that-was-made-anew-is-deleted',
  'subscription-difference-is-not-left-to-the-consumer',
  'lost-subscriptions-are-read-on',
  'new-bucket-is-read-from-the-checkpoint',
  'snapshot-shows-the-rows-of-everyone',
  'snapshot-takes-a-new-checkpoint-with-each-page',
  'floor-is-not-raised',
  'news-of-one-entry-is-none',
  // What becomes of pushes.
  'nobody-checks-who-owns-a-row',
  'update-does-not-check-the-owner',
  'answers-show-what-the-user-can-not-see',
  'answers-show-rows-that-have-moved-on',
  'own-row-without-edges-is-invisible',
  'what-was-refused-out-of-sight-stays-on-the-device',
  'protected-columns-are-writable',
  'parked-child-is-never-released',
  'updates-replace-parked-rows',
  'push-goes-into-any-bucket',
]);

/** The same breaks, for the oracle alone to catch. @throws Error when a name is none of a mutation */
export function oracleLane(mutations: readonly Mutation[]): readonly Mutation[] {
  const unknown = [...NAMES].filter((name) => !mutations.some((mutation) => mutation.name === name));
  if (unknown.length > 0) throw new Error(`The oracle's lane names no mutation by ${unknown.join(', ')}.`);
  return mutations
    .filter(({ name }) => NAMES.has(name))
    .map((mutation) => ({
      ...mutation,
      tests: WORLDS.map((name) => ({ file: 'test/oracle/oracle.test.ts', name })),
    }));
}

/** How the oracle is run for it. */
export const ORACLE_ENV: Readonly<Record<string, string>> = {
  ORACLE_RUNS: RUNS,
  ORACLE_SHRINK: 'no',
};
