/** The operation of a changelog entry, in the reference's codes. */
export const Operation = { create: 1, update: 2, delete: 3 } as const;
export type Operation = (typeof Operation)[keyof typeof Operation];
