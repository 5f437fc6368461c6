import { crc32 } from 'node:zlib';
import { packLines, readPng, SIGNATURE } from './png.mjs';

/**
 * One animated PNG of PNGs of the same size and colour type, which plays for ever. Viewers that know no animation show
 * the first frame. Each later frame holds the rectangle that has changed alone
 * (https://www.w3.org/TR/png-3/#apng-frame-based-animation).
 *
 * @param {readonly { readonly png: Buffer, readonly milliseconds: number }[]} frames
 * @returns {Buffer}
 */
export function animate(frames) {
  const pictures = frames.map(({ png }) => readPng(png));
  const [first] = pictures;
  if (!first) throw new Error('an animation needs a frame');
  if (!pictures.every(({ header }) => header.equals(first.header))) {
    throw new Error('the frames differ in size or colour type');
  }
  let sequence = 0;
  const next = () => uint32((sequence += 1) - 1);
  const chunks = pictures.flatMap((picture, index) => {
    const before = pictures[index - 1];
    const area = before ? changedArea(before, picture) : whole(picture);
    const control = chunk('fcTL', Buffer.concat([next(), frameControl(area, frames[index].milliseconds)]));
    const data = packLines(cut(picture, area));
    return [control, before ? chunk('fdAT', Buffer.concat([next(), data])) : chunk('IDAT', data)];
  });
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', first.header),
    chunk('acTL', Buffer.concat([uint32(frames.length), uint32(0)])),
    ...chunks,
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function whole({ width, height }) {
  return { x: 0, y: 0, width, height };
}

/** The smallest rectangle with all that differs; one pixel where nothing does. */
function changedArea(before, { lines, width, pixel }) {
  let [top, bottom, left, right] = [-1, 0, width, 0];
  for (const [y, line] of lines.entries()) {
    const old = before.lines[y];
    if (line.equals(old)) continue;
    if (top < 0) top = y;
    bottom = y;
    const isSame = (byte) => line[byte] === old[byte];
    let [from, to] = [0, line.length - 1];
    while (isSame(from)) from += 1;
    while (isSame(to)) to -= 1;
    left = Math.min(left, Math.floor(from / pixel));
    right = Math.max(right, Math.floor(to / pixel));
  }
  if (top < 0) return { x: 0, y: 0, width: 1, height: 1 };
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

function cut({ lines, pixel }, { x, y, width, height }) {
  return lines.slice(y, y + height).map((line) => line.subarray(x * pixel, (x + width) * pixel));
}

function frameControl({ x, y, width, height }, milliseconds) {
  const delay = Buffer.alloc(6);
  delay.writeUInt16BE(milliseconds, 0);
  delay.writeUInt16BE(1_000, 2);
  return Buffer.concat([...[width, height, x, y].map(uint32), delay]);
}

function chunk(type, body) {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  return Buffer.concat([uint32(body.length), named, uint32(crc32(named))]);
}

function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
