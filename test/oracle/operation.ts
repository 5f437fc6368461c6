/** One thing that somebody does. Which row, user or device it means is found by its numbers when it is done. */
export interface Operation {
  readonly kind: OperationKind;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** The next one does not wait for it. */
  readonly meanwhile: boolean;
}

/** How often each kind comes, in relation to the others. */
export const DEVICE_KINDS = {
  create: 8,
  createTree: 6,
  edit: 10,
  editMany: 2,
  remove: 4,
  restore: 4,
  moveLocally: 1,
  forge: 2,
  sync: 14,
  push: 3,
  pushTwice: 3,
  loseAnswer: 4,
  reopen: 1,
  reinstall: 1,
  peek: 5,
  comeBack: 12,
  joinAgain: 3,
  followNewParent: 3,
  changeUser: 1,
  pullSome: 2,
} as const;

export const WRITER_KINDS = {
  insert: 6,
  update: 6,
  updateSilently: 3,
  softDelete: 3,
  undelete: 3,
  hardDelete: 3,
  moveOwner: 4,
  moveParent: 4,
  share: 3,
  unshare: 2,
  join: 3,
  leave: 2,
  watch: 2,
  unwatch: 1,
  rekey: 2,
  bulk: 1,
  pileUp: 5,
  manyAtOnce: 3,
  longTransaction: 2,
} as const;

/** Other people's settings, types and constraints. */
export const TROUBLE_KINDS = {
  dropColumn: 1,
  renameColumn: 2,
  deferredPair: 3,
  oddSettings: 1,
  longBucket: 1,
  raisingTrigger: 2,
  failingHook: 4,
  renameLabel: 1,
} as const;

export const ADMIN_KINDS = {
  ...TROUBLE_KINDS,
  loseSlot: 1,
  truncate: 2,
  compact: 3,
  addColumn: 1,
  holdConsumer: 3,
} as const;

/** What people do with devices of the TypeScript client, and what becomes of those; in worlds that have some. */
export const CLIENT_KINDS = {
  clientCreate: 6,
  clientTree: 5,
  clientEdit: 10,
  clientMany: 2,
  clientRemove: 4,
  clientResolve: 4,
  clientCatchUp: 5,
  clientOffline: 4,
  clientLoseAnswer: 6,
  clientBusy: 2,
  clientLogin: 1,
  clientSlow: 3,
  clientExpire: 3,
  clientFull: 2,
  clientKill: 6,
  clientReload: 2,
  clientFreeze: 4,
  clientSignOut: 3,
} as const;

export type ClientKind = keyof typeof CLIENT_KINDS;
export type DeviceKind = keyof typeof DEVICE_KINDS;
export type WriterKind = keyof typeof WRITER_KINDS;
export type TroubleKind = keyof typeof TROUBLE_KINDS;
export type AdminKind = keyof typeof ADMIN_KINDS;
export type OperationKind = DeviceKind | ClientKind | WriterKind | AdminKind;

export const KINDS = { ...DEVICE_KINDS, ...WRITER_KINDS, ...ADMIN_KINDS };

/** Each kind as often as it weighs, to pick from. */
export function weighted<Kind extends string>(weights: Readonly<Record<Kind, number>>): readonly Kind[] {
  return (Object.keys(weights) as Kind[]).flatMap((kind) =>
    Array.from({ length: weights[kind] }, () => kind),
  );
}
