/** The part of OpenAPI 3.0's schema objects that the contract needs. */
export interface JsonSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly format?: 'int64' | 'date-time';
  readonly description?: string;
  readonly nullable?: boolean;
  readonly enum?: readonly string[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  /** Of further members; without it, of any. */
  readonly additionalProperties?: JsonSchema;
}

/** Keys of an object, those that may be left out with a `?` at their end. */
type Members = Readonly<Record<string, JsonSchema>>;

export function object(members: Members, description?: string): JsonSchema {
  const entries = Object.entries(members);
  const required = entries.flatMap(([key]) => (key.endsWith('?') ? [] : key));
  return {
    type: 'object',
    ...(description !== undefined && { description }),
    properties: Object.fromEntries(entries.map(([key, schema]) => [key.replace(/\?$/, ''), schema])),
    ...(required.length > 0 && { required }),
  };
}

export function list(items: JsonSchema, description?: string): JsonSchema {
  return { type: 'array', ...(description !== undefined && { description }), items };
}

export function text(description?: string): JsonSchema {
  return { type: 'string', ...(description !== undefined && { description }) };
}

export function oneOf(...values: readonly string[]): JsonSchema {
  return { type: 'string', enum: values };
}

export function orNull(schema: JsonSchema): JsonSchema {
  return { ...schema, nullable: true };
}

export const TIME: JsonSchema = { type: 'string', format: 'date-time' };
export const YES_OR_NO: JsonSchema = { type: 'boolean' };

/** 64 bits: a client reads it without turning it into a double. */
export function integer(description?: string): JsonSchema {
  return { type: 'integer', format: 'int64', ...(description !== undefined && { description }) };
}

/** An object of any members. */
export function anyObject(description: string): JsonSchema {
  return { type: 'object', description, additionalProperties: {} };
}
