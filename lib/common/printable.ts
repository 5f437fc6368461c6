/**
 * A text as a log line may have it: no longer than a line that is read, without passwords, and with every character
 * escaped that a terminal or a log viewer obeys (ESC, U+0085, line ends, directions of writing, invisible ones).
 * @param length characters that are kept
 */
export function printable(text: string, length: number): string {
  return escapeControls(cut(text, length));
}

/** Masked before it is cut, as half a URL doesn't tell where its password is. */
function cut(text: string, length: number): string {
  const masked = withoutPasswords(text.slice(0, length + MARGIN));
  return masked.length <= length ? masked : `${masked.slice(0, length)}… (of ${text.length} characters)`;
}

const MARGIN = 1_000;

const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu;

function escapeControls(text: string): string {
  return text.replaceAll(CONTROLS, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length <= 4 ? String.raw`\u${code.padStart(4, '0')}` : String.raw`\u{${code}}`;
  });
}

const MASK = '***';

/**
 * Masks the passwords of URLs (`postgres://user:password@host`, `?password=…`) and of libpq's keyword strings
 * (`password='…'`, `sslpassword=…`), as errors of drivers quote them.
 */
export function withoutPasswords(text: string): string {
  return text.replaceAll(URL_TEXT, maskUserInfo).replaceAll(KEYWORD, maskKeyword);
}

/** A password may have been put there without being encoded: up to the last `@` it may be one. */
const URL_TEXT = /:\/\/[^\s"'<>`]+/g;

function maskUserInfo(url: string): string {
  const at = url.lastIndexOf('@');
  const colon = url.indexOf(':', 3);
  return colon === -1 || colon > at ? url : `${url.slice(0, colon)}:${MASK}${url.slice(at)}`;
}

/** A name that may be percent-encoded, and a value that ends where URLs, keyword strings and prose have an end. */
const KEYWORD = /(?<![\w%])([\w%]+)(\s{0,8}=\s{0,8})('(?:[^'\\]|\\.)*'?|[^\s&'"<>]+)/gs;
const PASSWORD = /pass(?:word|wd|phrase)?$|pwd$|secret$/i;

function maskKeyword(whole: string, name: string, equals: string): string {
  return PASSWORD.test(decoded(name)) ? `${name}${equals}${MASK}` : whole;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
