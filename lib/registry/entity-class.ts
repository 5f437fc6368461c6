/** An entity class. */
export type EntityClass<Entity extends object = object> = abstract new (...args: never[]) => Entity;
