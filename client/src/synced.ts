/**
 * The row of an entity class of the server's, for a team with one repository: `Synced<Task>` with
 * `import type { Task }`. Times and bytes are strings, what may be missing is null, and methods and relations are left
 * out: a relation is an object with a time, bytes or a method of its own, or a promise of one.
 *
 * The class does not tell everything: docs/client.md says what it can't know.
 *
 * @typeParam Omitted properties that are no synced columns, and can't be told from one
 */
export type Synced<Entity, Omitted extends keyof Entity = never> = {
  -readonly [
    Name in Exclude<keyof Entity, Omitted | symbol | number> as IsColumn<
      NonNullable<Entity[Name]>
    > extends true
      ? Name
      : never
  ]: ValueOf<Entity[Name]>;
};

/**
 * The types of a table for `createSync`, by its entity class. A create and an update take each column but `Protected`
 * ones; which of them a create needs is the database's, and not in the class.
 *
 * @typeParam Protected columns that the server alone sets: times, owner, and the table's `protectedColumns`
 * @typeParam Id the column that the rows' ids are in
 */
export interface SyncedTable<
  Entity,
  Protected extends keyof Synced<Entity> = never,
  Id extends keyof Synced<Entity> = 'id' & keyof Synced<Entity>,
> {
  row: Synced<Entity>;
  create: Partial<Omit<Synced<Entity>, Protected>>;
  update: Partial<Omit<Synced<Entity>, Protected | Id>>;
}

type ValueOf<Value> = IsAny<Value> extends true ? unknown : Converted<Value>;

type Converted<Value> = Value extends undefined
  ? null
  : Value extends Date | Uint8Array | bigint
    ? string
    : Value extends readonly (infer Item)[]
      ? Converted<Item>[]
      : Value;

type IsColumn<Value> =
  IsAny<Value> extends true
    ? true
    : Value extends Date | Uint8Array
      ? true
      : Value extends NotJson
        ? false
        : Value extends readonly (infer Item)[]
          ? IsColumn<NonNullable<Item>>
          : Value extends object
            ? IsJson<Value>
            : true;

/** JSON has no such member; one level deep, as relations go round in circles. */
type IsJson<Value> = true extends {
  [Name in keyof Value]-?: IsAny<Value[Name]> extends true
    ? never
    : NonNullable<Value[Name]> extends NotJson
      ? true
      : never;
}[keyof Value]
  ? false
  : true;

type NotJson = Date | Uint8Array | PromiseLike<unknown> | ((...args: never) => unknown);

type IsAny<Value> = 0 extends 1 & Value ? true : false;
