import { inflateSync } from 'node:zlib';

/** A decoded picture: `channels` bytes a pixel, rows from the top. */
export interface Picture {
  width: number;
  height: number;
  channels: number;
  pixels: Uint8Array;
}

/** The colour types of PNG that our functions write. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3 };

/** Decodes an 8-bit grey or RGB PNG without interlacing: enough to judge pictures without the library that made them. */
export function decodePng(png: Buffer): Picture {
  if (png.toString('latin1', 1, 4) !== 'PNG') throw new Error('not a PNG');
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = CHANNELS[png[25] as number];
  if (png[24] !== 8 || png[28] !== 0 || channels === undefined) throw new Error('an unexpected kind of PNG');
  return {
    width,
    height,
    channels,
    pixels: unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels),
  };
}

function unfilter(raw: Buffer, stride: number, height: number, channels: number): Uint8Array {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const at = y * stride + i;
      const left = i >= channels ? (out[at - channels] as number) : 0;
      const up = y > 0 ? (out[at - stride] as number) : 0;
      const corner = i >= channels && y > 0 ? (out[at - stride - channels] as number) : 0;
      const predictions = [0, left, up, (left + up) >> 1, paeth(left, up, corner)];
      out[at] = (raw[y * (stride + 1) + 1 + i] as number) + (predictions[filter as number] as number);
    }
  }
  return out;
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** The largest difference between a picture and what a formula says it should be. */
export function largestDifference(
  picture: Picture,
  expected: (x: number, y: number, channel: number) => number,
): number {
  let largest = 0;
  for (let y = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++) {
      for (let channel = 0; channel < picture.channels; channel++) {
        const actual = picture.pixels[(y * picture.width + x) * picture.channels + channel] as number;
        largest = Math.max(largest, Math.abs(actual - expected(x, y, channel)));
      }
    }
  }
  return largest;
}
