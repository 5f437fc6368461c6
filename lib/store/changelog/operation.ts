/** What a changelog entry says; the codes of the reference. */
export const Operation = { create: 1, update: 2, delete: 3 } as const;
export type Operation = (typeof Operation)[keyof typeof Operation];
