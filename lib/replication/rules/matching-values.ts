import { errorCode } from '../../database/database-error.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';

/**
 * Asks for the rows that have one of some values in a column. They come from another column, whose type may have been
 * another one when they were written: one that this column can't hold names no row, and stops nothing.
 * @param ask runs a statement with this condition, in which the values are `$1`
 */
export async function matchingValues<Answer>(
  tx: ChangelogTransaction,
  column: string,
  ask: (condition: string) => Promise<Answer>,
): Promise<Answer> {
  const name = quoteIdentifier(column);
  await tx.query('SAVEPOINT matching_values');
  try {
    const answer = await ask(`${name} = ANY($1)`);
    await tx.query('RELEASE SAVEPOINT matching_values');
    return answer;
  } catch (error) {
    if (errorCode(error)?.startsWith(DATA_EXCEPTION) !== true) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT matching_values; RELEASE SAVEPOINT matching_values');
    // Without an index, but only while there are such values. Types that refuse any know no capitals.
    return ask(`${name}::text IN (SELECT lower(v) FROM unnest($1::text[]) AS v)`);
  }
}

const DATA_EXCEPTION = '22';
