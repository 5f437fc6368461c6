import { bucketOf } from 'nestjs-synchro';

/** The page's users. Its endpoints reach no others: the app may have real ones beside them. */
export const DEMO_USERS = ['alice', 'bob'] as const;

/** The buckets that hold all that they see. */
export const DEMO_BUCKETS = DEMO_USERS.map((user) => bucketOf('user:', user));
