/** Their tests pass; that they fail without the rule is not shown yet. */
const NOT_YET = 'a mutation is still to be written';

/** Hazards without any mutation, in the order of `hazards.json`, and why. This list only gets shorter. */
export const WITHOUT_MUTATION: Readonly<Record<string, string>> = {
  'W-HTTP-8': 'there is no code that could be broken: sync runs in the host’s app',
  'W-HOST-54': NOT_YET,
  'W-HOST-56': NOT_YET,
  'W-HOST-60': NOT_YET,
  'W-HOST-63': NOT_YET,
  'W-HOST-64': NOT_YET,
  'W-HOST-66': NOT_YET,
  'W-HOST-67': NOT_YET,
  'W-HOST-68': NOT_YET,
  'W-HOST-69': NOT_YET,
  'W-HOST-70': NOT_YET,
  'W-HOST-73': NOT_YET,
  'W-HOST-81': NOT_YET,
  'W-HOST-82': NOT_YET,
  'W-HOST-83': NOT_YET,
  'W-HOST-86': NOT_YET,
  'W-HOST-88': NOT_YET,
  'W-HOST-89': NOT_YET,
  'W-LIVE-4': NOT_YET,
  'W-LIVE-6': NOT_YET,
  'W-LIVE-10': NOT_YET,
  'W-WRITE-9': NOT_YET,
  'W-CLIENT-6': NOT_YET,
  'W-CLIENT-11': NOT_YET,
  'W-CLIENT-12': NOT_YET,
  'W-CLIENT-13': NOT_YET,
  'W-CLIENT-14': NOT_YET,
  'W-CLIENT-15': NOT_YET,
};
