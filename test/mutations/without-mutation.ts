/** Hazards without any mutation, in the order of `hazards.json`, and why. This list only gets shorter. */
export const WITHOUT_MUTATION: Readonly<Record<string, string>> = {
  'W-HTTP-8': 'there is no code that could be broken: sync runs in the host’s app',
  'W-HOST-89': 'package.json has the rule, and only a build shows it, which a copy to be broken has not',
};
