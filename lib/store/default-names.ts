/** Names that a server keeps for sync where the host names none (docs/options.md#the-module). */
export const DEFAULT_SLOT_NAME = 'synchro_slot';
export const DEFAULT_PUBLICATION_NAME = 'synchro_pub';
