/**
 * A text as a log line may have it: no longer than a line that is read, without passwords, and with every character
 * escaped that a terminal or a log viewer obeys (ESC, U+0085, line ends, directions of writing, invisible ones).
 * @param length characters that are kept
 */
export function printable(text: string, length: number): string {
  return escapeControls(cut(text, length));
}

/** Passwords are masked before the text is cut: half a URL doesn't show where its password is. */
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
 * Masks the passwords of URLs (`postgres://user:password@host`, `?password=…`), of libpq's keyword strings
 * (`password='…'`, `sslpassword=…`), of objects (`"password":"…"`) and of SQL (`PASSWORD '…'`), as errors of drivers
 * quote them. Where the end of a password is unclear, too much is masked.
 */
export function withoutPasswords(text: string): string {
  const urls = text.replaceAll(URL_WITH_SPACE, `$1${MASK}@`).replaceAll(URL_TEXT, maskUserInfo);
  const parts: string[] = [];
  let copied = 0;
  for (const { index, 0: keyword, 1: name = '' } of urls.matchAll(KEYWORD)) {
    const start = index + keyword.length;
    if (start < copied || !PASSWORD.test(decoded(name))) continue;
    VALUE.lastIndex = start;
    const length = VALUE.exec(urls)?.[0].length ?? 0;
    if (length === 0) continue;
    parts.push(urls.slice(copied, start), MASK);
    copied = start + length;
  }
  return parts.join('') + urls.slice(copied);
}

/** A password may have been put there without being encoded: up to the last `@` it may be one. */
const URL_TEXT = /:(?:\\?\/){2}\S+/g;
/** Node's URLs take spaces; a number before one is a port. */
const URL_WITH_SPACE = /(:\/\/[^\s/@:]*:)(?!\d{1,5}\s)[^\n/@]{1,100}@/g;

function maskUserInfo(url: string): string {
  const at = url.lastIndexOf('@');
  const colon = url.indexOf(':', 3);
  return colon === -1 || colon > at ? url : `${url.slice(0, colon)}:${MASK}${url.slice(at)}`;
}

/** A name that may be percent-encoded, and what stands between it and its value: nothing but space in SQL. */
const KEYWORD = /(?<![\w%])([\w%]+)(?:\\?["'])?(?:\s{0,8}(?:=>?|:)\s{0,8}|\s{1,8}(?='))/g;
/** In quotes, or up to the next space or the next keyword of a URL. */
const VALUE =
  /'(?:[^'\\]|\\.|'')*'?|\\?"(?:[^"\\]|\\[^"])*(?:\\?")?|(?:[^\s&;\\]|\\.|[&;](?!\s?[\w%]{1,40}=))+/sy;
const PASSWORD = /pass(?:word|wd|phrase)?$|pwd$|secret$/i;

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
