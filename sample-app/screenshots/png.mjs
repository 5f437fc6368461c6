import { deflateSync, inflateSync } from 'node:zlib';

export const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Bytes of a pixel by the header's colour type: RGB and RGBA, as browsers take screenshots. */
const PIXEL_BYTES = { 2: 3, 6: 4 };

/**
 * Reads a PNG of eight bits a channel (https://www.w3.org/TR/png-3/).
 *
 * @param {Buffer} png
 * @returns its header, its size in pixels, and its lines as bytes without a filter
 */
export function readPng(png) {
  const data = [];
  let header;
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') header = body;
    if (type === 'IDAT') data.push(body);
    at += length + 12;
  }
  if (!header || data.length === 0) throw new Error('this is no PNG');
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const pixel = PIXEL_BYTES[header[9]];
  if (header[8] !== 8 || !pixel) throw new Error('only RGB and RGBA of eight bits are read');
  const lines = unfilter(inflateSync(Buffer.concat(data)), width * pixel, height, pixel);
  return { header, width, height, pixel, lines };
}

function unfilter(bytes, length, height, pixel) {
  const lines = [];
  let above = Buffer.alloc(length);
  for (let y = 0; y < height; y += 1) {
    const start = y * (length + 1);
    const filter = bytes[start];
    const line = Buffer.from(bytes.subarray(start + 1, start + 1 + length));
    for (let x = 0; x < length; x += 1) {
      const left = x < pixel ? 0 : line[x - pixel];
      const corner = x < pixel ? 0 : above[x - pixel];
      line[x] += predictor(filter, left, above[x], corner);
    }
    lines.push(line);
    above = line;
  }
  return lines;
}

function predictor(filter, left, above, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  const guess = left + above - corner;
  const [byLeft, byAbove, byCorner] = [left, above, corner].map((each) => Math.abs(guess - each));
  if (byLeft <= byAbove && byLeft <= byCorner) return left;
  return byAbove <= byCorner ? above : corner;
}

/** The image data of lines: flat areas are smallest without a filter. */
export function packLines(lines) {
  return deflateSync(Buffer.concat(lines.flatMap((line) => [Buffer.of(0), line])), { level: 9 });
}
