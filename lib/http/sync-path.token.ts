/** The route prefix of the sync controller, without slashes around it. */
export const SYNC_PATH = Symbol('SYNC_PATH');
