import { canonicalId } from '../../../common/canonical-id.js';
import type { ContractTable } from '../../../schema/schema-contract.js';
import type { WriteRejection } from '../../../settings/hook-events.js';
import type { WriteRequest } from '../../../resolvers/write-policy.js';
import { recordId } from '../values/record-id.js';
import type { Granted } from './granted.js';

/**
 * The meaning of a policy's answer.
 * @param contract the table that is to be written
 * @throws TypeError for anything that is no answer: a mistake writes nothing
 */
export function grantedBy(
  answer: unknown,
  contract: ContractTable,
  { byDefault }: WriteRequest,
): Granted | WriteRejection | false {
  if (answer === false) return false;
  if (answer === true) return { owner: null, byDefault };
  if (typeof answer === 'object' && answer !== null) {
    if ('owner' in answer) return { owner: ownerOf(answer.owner, contract), byDefault };
    if ('reason' in answer && 'message' in answer) {
      const { reason, message } = answer;
      if (typeof reason === 'string' && typeof message === 'string') return { reason, message };
    }
  }
  throw new TypeError(
    `it answered ${JSON.stringify(answer)} about ${contract.table.name}; an answer is true, false, { reason, message } or { owner }`,
  );
}

function ownerOf(owner: unknown, { table, columns }: ContractTable): string {
  if (table.ownerColumn === null)
    throw new TypeError(`it answered an owner for ${table.name}, which has no owner column`);
  const column = columns.find(({ name }) => name === table.ownerColumn);
  const id = typeof owner === 'string' ? canonicalId(owner) : null;
  if (id === null || id === '' || (column && recordId(column, id) !== id))
    throw new TypeError(
      `it answered the owner ${JSON.stringify(owner)}, whom ${table.name}.${table.ownerColumn} can't hold`,
    );
  return id;
}
