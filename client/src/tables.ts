import type { Row } from './records/record.js';

/** The types of one table: what is read, and what a create and an update take. */
export interface TableTypes {
  readonly row: object;
  readonly create: object;
  readonly update: object;
}

/** Where an app gives no types of its own. `npx nestjs-synchro types` prints them. */
export type AnyTables = Record<string, { row: Row; create: Row; update: Row }>;

/** Types by table name; an interface has no index signature, hence not `Record<string, TableTypes>`. */
export type TablesOf<Tables> = { readonly [Name in keyof Tables]: TableTypes };

export type RowOf<Tables, Name extends keyof Tables> = Tables[Name] extends { row: infer R } ? R : never;
export type CreateOf<Tables, Name extends keyof Tables> = Tables[Name] extends { create: infer C }
  ? C
  : never;
export type UpdateOf<Tables, Name extends keyof Tables> = Tables[Name] extends { update: infer U }
  ? U
  : never;
