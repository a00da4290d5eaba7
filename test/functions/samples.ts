import { createCipheriv, createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { dot, generator, solve, tfIdf, trainLogistic } from './arithmetic.js';
import { decodePng, largestDifference } from './picture.js';

/** One sample function: what it is asked, and a judgement of its answer that uses nothing of what made the answer. */
export interface Sample {
  name: string;
  memoryMb?: number;
  args: Record<string, unknown>;
  check(body: Body): void;
}

// biome-ignore lint/suspicious/noExplicitAny: the bodies are JSON of as many shapes as there are functions; each check asserts its own.
export type Body = Record<string, any>;

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const fromBase64 = (text: string): Buffer => Buffer.from(text, 'base64');

export const SAMPLES: readonly Sample[] = [
  { name: 'hello', args: { name: 'Ada' }, check: (body) => expect(body['greeting']).toBe('Hello, Ada!') },
  { name: 'hello_node', args: { name: 'Ada' }, check: (body) => expect(body['greeting']).toBe('Hello, Ada!') },
  {
    name: 'float_operation',
    args: { n: 5000 },
    check(body) {
      let sum = 0;
      for (let i = 0; i < 5000; i++) sum += Math.sin(i) + Math.cos(i) + Math.sqrt(i);
      expect(Math.abs(body['sum'] / sum - 1)).toBeLessThan(1e-9);
    },
  },
  {
    name: 'gzip_compression',
    args: { size_kb: 64, seed: 7, include: true },
    check(body) {
      const text = gunzipSync(fromBase64(body['compressed']));
      expect(text.toString()).toBe(words(64 * 1024, 7));
      expect(body['sha256']).toBe(sha256(text));
      expect(body['bytes']).toBe(64 * 1024);
      expect(body['compressed_bytes']).toBe(fromBase64(body['compressed']).length);
      expect(body['compressed_bytes']).toBeLessThan(64 * 256);
    },
  },
  {
    name: 'json_dumps_loads',
    args: { document: { b: [1, 2, { z: 'ü', a: null }], a: true, c: { y: -5, x: '"quoted"\n' } } },
    check(body) {
      const canonical = '{"a":true,"b":[1,2,{"a":null,"z":"ü"}],"c":{"x":"\\"quoted\\"\\n","y":-5}}';
      expect(body['bytes']).toBe(Buffer.byteLength(canonical));
      expect(body['sha256']).toBe(sha256(canonical));
      expect(body['same']).toBe(true);
    },
  },
  {
    name: 'lin_pack',
    memoryMb: 256,
    args: { n: 60, seed: 3, include: true },
    check(body) {
      const { a, b, x } = body as { a: number[][]; b: number[]; x: number[] };
      expect(a).toHaveLength(60);
      for (const [i, row] of a.entries()) expect(Math.abs(dot(row, x) - (b[i] as number))).toBeLessThan(1e-9);
      const own = solve(a, b);
      for (const [i, value] of own.entries()) expect(Math.abs(value - (x[i] as number))).toBeLessThan(1e-8);
      expect(body['largest_error']).toBeLessThan(1e-8);
    },
  },
  {
    name: 'pyaes',
    args: { length: 1000, iterations: 1, key: '000102030405060708090a0b0c0d0e0f', include: true },
    check(body) {
      const text = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 31) % 251));
      const counter = Buffer.alloc(16);
      counter[15] = 1;
      const cipher = createCipheriv('aes-128-ctr', Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'), counter);
      const encrypted = Buffer.concat([cipher.update(text), cipher.final()]);
      expect(fromBase64(body['encrypted'])).toEqual(encrypted);
      expect(body['sha256']).toBe(sha256(encrypted));
    },
  },
  {
    name: 'chameleon',
    args: { rows: 3, columns: 4, title: 'a < b & c', include: true },
    check(body) {
      const row = (r: number): string => [0, 1, 2, 3].map((c) => `<td class="c${c}">${r * 4 + c}</td>`).join('');
      const rows = [0, 1, 2].map((r) => `<tr>${row(r)}</tr>`).join('');
      const html = `<table><caption>a &lt; b &amp; c</caption>${rows}</table>`;
      expect(body['html'].replaceAll(/>\s+</g, '><')).toBe(html);
      expect(body['sha256']).toBe(sha256(body['html']));
    },
  },
  {
    name: 'image_processing',
    memoryMb: 256,
    args: { width: 64, height: 48, include: true },
    check: checkImages,
  },
  {
    name: 'model_training',
    memoryMb: 512,
    args: { reviews: 400, seed: 5 },
    check: checkModel,
  },
  {
    name: 'video_processing',
    memoryMb: 512,
    args: { frames: 12, width: 160, height: 120, include: true },
    check: checkVideo,
  },
  {
    name: 'dd',
    args: { bs: 1000, count: 77, seed: 9 },
    check(body) {
      const draw = generator(9);
      const block = Buffer.from(Array.from({ length: 4096 }, () => draw(256)));
      const file = Buffer.concat(Array.from({ length: 19 }, () => block)).subarray(0, 77_000);
      expect(body['bytes']).toBe(77_000);
      expect(body['records']).toBe(77);
      expect(body['sha256']).toBe(sha256(file));
      expect(body['same']).toBe(true);
    },
  },
];

function words(size: number, seed: number): string {
  const list = ['river', 'stone', 'amber', 'north', 'cloud', 'ember', 'glass', 'tide'];
  const draw = generator(seed);
  let text = '';
  while (text.length < size) text += `${list[draw(8)]} `;
  return text.slice(0, size);
}

function checkImages(body: Body): void {
  const [width, height] = [64, 48];
  const source = (x: number, y: number, channel: number): number =>
    [(x * 5 + y) & 255, x ^ y, (x * y) & 255][channel] as number;
  const luma = (x: number, y: number): number =>
    (source(x, y, 0) * 19595 + source(x, y, 1) * 38470 + source(x, y, 2) * 7471 + 0x8000) >> 16;
  /** Mean of a square of the source, with its border repeated outwards. */
  const mean = (left: number, top: number, size: number, channel: number): number => {
    let sum = 0;
    for (let y = top; y < top + size; y++) {
      for (let x = left; x < left + size; x++) {
        sum += source(Math.min(width - 1, Math.max(0, x)), Math.min(height - 1, Math.max(0, y)), channel);
      }
    }
    return sum / size ** 2;
  };
  const picture = (name: string) => decodePng(fromBase64(body['images'][name]));
  expect(largestDifference(picture('flip'), (x, y, c) => source(width - 1 - x, y, c))).toBe(0);
  const rotated = picture('rotate');
  expect([rotated.width, rotated.height]).toEqual([height, width]);
  expect(largestDifference(rotated, (x, y, c) => source(width - 1 - y, x, c))).toBe(0);
  const grey = picture('grey');
  expect(grey.channels).toBe(1);
  expect(largestDifference(grey, luma)).toBe(0);
  // Filtering rounds once per direction.
  expect(largestDifference(picture('blur'), (x, y, c) => mean(x - 2, y - 2, 5, c))).toBeLessThanOrEqual(1.5);
  const thumbnail = picture('thumbnail');
  expect([thumbnail.width, thumbnail.height]).toEqual([16, 12]);
  expect(largestDifference(thumbnail, (x, y, c) => mean(x * 4, y * 4, 4, c))).toBeLessThanOrEqual(1);
}

function checkModel(body: Body): void {
  const good = ['great', 'lovely', 'solid', 'fresh', 'quick'];
  const bad = ['broken', 'slow', 'stale', 'dull', 'noisy'];
  const plain = ['the', 'box', 'arrived', 'today', 'with', 'paper', 'and', 'string', 'from', 'town'];
  const draw = generator(5);
  const labels = Array.from({ length: 400 }, (_, i) => i % 2);
  const reviews = labels.map((label) => {
    const list = Array.from({ length: 9 }, () => plain[draw(10)]);
    for (let i = 0; i < 3; i++) {
      const honest = draw(5) > 0;
      list.push((honest === (label === 1) ? good : bad)[draw(5)]);
    }
    return list.join(' ');
  });
  const { names, rows } = tfIdf(reviews, 320);
  const { weights, intercept } = trainLogistic(rows.slice(0, 320), labels.slice(0, 320));
  expect(Object.keys(body['coefficients']).sort()).toEqual(names);
  for (const [i, name] of names.entries()) {
    expect(Math.abs(body['coefficients'][name] - (weights[i] as number)), name).toBeLessThan(1e-4);
  }
  expect(Math.abs(body['intercept'] - intercept)).toBeLessThan(1e-4);
  const right = rows.slice(320).filter((row, i) => Number(dot(row, weights) + intercept > 0) === labels[320 + i]);
  expect(body['accuracy']).toBeCloseTo(right.length / 80, 10);
  expect(body['trained_on']).toBe(320);
}

function checkVideo(body: Body): void {
  const [width, height, frames] = [160, 120, 12];
  const ramp = (i: number, size: number): number => Math.floor((255 * i) / (size - 1));
  const expected = (frame: number, x: number, y: number): number => {
    const left = (frame * 8) % (width - 32);
    if (x >= left && x < left + 32 && y >= 16 && y < 48) return 255;
    return 0.114 * ramp(x, width) + 0.587 * ramp(y, height) + 0.299 * 64;
  };
  expect(body['frames']).toBe(frames);
  const first = decodePng(fromBase64(body['first']));
  expect([first.width, first.height, first.channels]).toEqual([width, height, 1]);
  let sum = 0;
  let error = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        sum += expected(frame, x, y);
        if (frame === 0) error += Math.abs(expected(0, x, y) - (first.pixels[y * width + x] as number));
      }
    }
  }
  // Motion JPEG loses a little: never as much as a wrong frame, channel or weight would.
  expect(error / (width * height)).toBeLessThan(2);
  expect(Math.abs(body['mean'] - sum / (width * height * frames))).toBeLessThan(1.5);
  expect(body['bytes']).toBeGreaterThan(1000);
}
