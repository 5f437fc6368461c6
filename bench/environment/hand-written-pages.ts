import type { HttpLoad } from './http-load.js';

/** Reads pages of a user's rows from the hand-written controller, in the order of the key. They are not parsed. */
export async function handWrittenPages(
  load: HttpLoad,
  user: string,
  { pages, limit }: { readonly pages: number; readonly limit: number },
): Promise<readonly string[]> {
  const texts: string[] = [];
  let after: string | null = null;
  for (let page = 0; page < pages; page++) {
    const text = await load.post('/hand-written/pull', JSON.stringify({ after, limit }), user);
    after = text.slice(text.lastIndexOf('"id":"') + 6).slice(0, 36);
    texts.push(text);
  }
  return texts;
}
