import type { Row } from '../records/record.js';

/** Equality, or comparisons that all have to hold. `in` takes a list of values. */
export type Condition<Value> =
  | Value
  | {
      readonly eq?: Value;
      readonly ne?: Value;
      readonly lt?: Value;
      readonly lte?: Value;
      readonly gt?: Value;
      readonly gte?: Value;
      readonly in?: readonly Value[];
    };

export interface Query<R> {
  /** Conditions by column, which all have to hold; or a predicate. */
  readonly where?: { readonly [Column in keyof R]?: Condition<R[Column]> } | ((row: R) => boolean);
  /** A column, or several: `'title'` ascending, `['priority', 'desc']`, `[['priority', 'desc'], 'title']`. */
  readonly orderBy?: Order<R> | readonly Order<R>[];
  readonly limit?: number;
}

export type Order<R> = (keyof R & string) | readonly [keyof R & string, 'asc' | 'desc'];

/** The rows that a query names, from memory. Nulls come last when ascending, as in PostgreSQL. */
export function runQuery<R extends Row>(rows: Iterable<R>, query: Query<R> = {}): readonly R[] {
  const matches = predicateOf(query.where);
  const found: R[] = [];
  for (const row of rows) if (matches(row)) found.push(row);
  const orders = ordersOf(query.orderBy);
  if (orders.length > 0) found.sort((left, right) => compareRows(left, right, orders));
  return query.limit === undefined ? found : found.slice(0, query.limit);
}

function predicateOf<R extends Row>(where: Query<R>['where']): (row: R) => boolean {
  if (where === undefined) return () => true;
  if (typeof where === 'function') return where;
  const conditions = Object.entries(where).map(([column, condition]) => [column, tester(condition)] as const);
  return (row) => conditions.every(([column, test]) => test(row[column]));
}

function tester(condition: unknown): (value: unknown) => boolean {
  if (typeof condition !== 'object' || condition === null) return (value) => value === condition;
  const tests = Object.entries(condition).map(([operator, operand]) => {
    const test = OPERATORS[operator];
    if (!test) throw new TypeError(`A condition has ${Object.keys(OPERATORS).join(', ')}, not "${operator}"`);
    return (value: unknown) => test(value, operand);
  });
  return (value) => tests.every((test) => test(value));
}

const OPERATORS: Readonly<Record<string, (value: unknown, operand: unknown) => boolean>> = {
  eq: (value, operand) => value === operand,
  ne: (value, operand) => value !== operand,
  lt: (value, operand) => isKnown(value, operand) && compareValues(value, operand) < 0,
  lte: (value, operand) => isKnown(value, operand) && compareValues(value, operand) <= 0,
  gt: (value, operand) => isKnown(value, operand) && compareValues(value, operand) > 0,
  gte: (value, operand) => isKnown(value, operand) && compareValues(value, operand) >= 0,
  in: (value, operand) => Array.isArray(operand) && operand.includes(value),
};

function isKnown(...values: readonly unknown[]): boolean {
  return values.every((value) => value !== null && value !== undefined);
}

function ordersOf<R>(orderBy: Query<R>['orderBy']): readonly (readonly [string, 1 | -1])[] {
  if (orderBy === undefined) return [];
  if (typeof orderBy === 'string') return [[orderBy, 1]];
  const [first, second] = orderBy as readonly unknown[];
  if (typeof first === 'string' && (second === 'asc' || second === 'desc')) {
    return [[first, second === 'asc' ? 1 : -1]];
  }
  return (orderBy as readonly Order<R>[]).flatMap((order) => ordersOf<R>(order));
}

function compareRows(left: Row, right: Row, orders: readonly (readonly [string, 1 | -1])[]): number {
  for (const [column, direction] of orders) {
    const order = compareValues(left[column], right[column]);
    if (order !== 0) return order * direction;
  }
  return 0;
}

function compareValues(left: unknown, right: unknown): number {
  if (left === right) return 0;
  if (left === null || left === undefined) return 1;
  if (right === null || right === undefined) return -1;
  return (left as string) < (right as string) ? -1 : 1;
}
