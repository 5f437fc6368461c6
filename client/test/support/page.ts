/** The module that a test page has as `client`. */
export { createSync, memoryStore, SyncError } from '../../src/index.js';
export { indexedDbStore } from '../../src/indexeddb/index.js';
export { STORE_CASES } from './store-suite.js';
export { SyncScreen } from '../fleet/screen.js';
export { tellingStore } from '../fleet/telling-store.js';
