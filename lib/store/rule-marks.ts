/**
 * Forgets the rules of tables, so that the next leader resolves all their rows.
 * @param client in a transaction of the caller's
 */
export async function forgetRules(
  client: { query(text: string, values: unknown[]): Promise<unknown> },
  tables: readonly string[],
): Promise<void> {
  await client.query('DELETE FROM :sync.sync_table_rules WHERE table_name = ANY($1::text[])', [tables]);
}
