import type { FormerLabels } from '../../../store/enum-labels.js';
import { isJsonObject, jsonText, parseJson } from './json.js';

/**
 * A value with the labels that its enums have now: a device that has been away writes them as they were called when it
 * last heard of them (hazard W-HOST-24). Where labels are only a part of the value, it is taken for the stored one if it
 * is that one under their former names; else its texts may be anything, and it stays as it is.
 *
 * @param stored the value on the wire, parsed losslessly; undefined if there is none
 */
export function withLabelsOfNow(
  { labels, areValues }: FormerLabels,
  sent: unknown,
  stored: unknown,
): unknown {
  const value = (typeof sent === 'string' ? containerOf(sent) : undefined) ?? sent;
  if (areValues) return mapTexts(value, (text) => labels.get(text) ?? text);
  const translated = mapTexts(value, (text) => text.replaceAll(WORD, (word) => labels.get(word) ?? word));
  return stored !== undefined && jsonText(translated) === jsonText(stored) ? stored : sent;
}

/** The text between the brackets, quotes and commas of a range or a composite. */
const WORD = /[^[\](){}",\s]+/g;

/** An array comes as JSON text. */
function containerOf(text: string): unknown {
  const value = parseJson(text);
  return Array.isArray(value) ? value : undefined;
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((element: unknown) => mapTexts(element, map));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapTexts(member, map)]));
}
