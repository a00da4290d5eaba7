import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { detectBoard } from '../../../src/telemetry/jetson/board.js';
import type { JetsonReading } from '../../../src/telemetry/jetson/jetson-reading.js';
import { openRecording, type RecordedEntry, RecordingWriter } from '../../../src/telemetry/jetson/recording.js';
import { ReplaySource } from '../../../src/telemetry/jetson/replay-source.js';
import { FakeBoard, ORIN } from '../../support/jetson-board.js';
import { orinLine } from '../../support/tegrastats.js';

/** A board into a file, and out of it again. */

describe('a recording', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-recording-'));
    file = join(folder, 'board.jsonl');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const READING: JetsonReading = {
    atUs: 7_500_000,
    gpu: { utilizationPercent: 12, freqMhz: 300 },
    memory: { usedMb: 1, totalMb: 2 },
    cpus: [],
    temperatures: [],
    rails: [{ name: 'VDD_IN', powerMw: 5000 }],
    totalPower: null,
  };

  async function entries(path: string): Promise<RecordedEntry[]> {
    const all: RecordedEntry[] = [];
    for await (const entry of (await openRecording(path)).entries) all.push(entry);
    return all;
  }

  it('keeps lines and readings with their times, from 0, and the board', async () => {
    const fake = new FakeBoard(ORIN);
    const board = detectBoard(fake.root);
    fake.remove();
    const writer = new RecordingWriter(file, { board, intervalMs: 500 });
    writer.line(orinLine(1), 7_000_000);
    writer.reading(READING);
    await writer.close();
    const { head } = await openRecording(file);
    expect(head).toEqual({ recording: 'jetson', version: 1, board, intervalMs: 500 });
    expect(await entries(file)).toEqual([
      { atUs: 0, line: orinLine(1) },
      { atUs: 500_000, reading: READING },
    ]);
  });

  it('says when it cannot be written', async () => {
    const writer = new RecordingWriter(join(folder, 'no', 'such', 'folder'), { board: null, intervalMs: 1 });
    writer.line('x', 0);
    await expect(writer.close()).rejects.toThrow('ENOENT');
  });

  it('is read as far as it is whole', async () => {
    const head = JSON.stringify({ recording: 'jetson', version: 1, board: null, intervalMs: 5 });
    writeFileSync(
      file,
      `${head}\n{"atUs":1,"line":"a"}\nrubbish\n{"atUs":"2","line":"b"}\n[1]\n{"atUs":3,"reading":{}}\n{"atUs":4,"li`,
    );
    expect(await entries(file)).toEqual([{ atUs: 1, line: 'a' }]);
  });

  it('may be a plain file of lines, and is refused when it is empty, absent or of the future', async () => {
    writeFileSync(file, `# a comment\n${orinLine(1)}\n\n${orinLine(2)}\n`);
    expect((await entries(file)).map(({ atUs }) => atUs)).toEqual([1_000_000, 2_000_000]);
    writeFileSync(file, '');
    await expect(openRecording(file)).rejects.toThrow('empty');
    writeFileSync(file, '{"recording":"jetson","version":2}\n');
    await expect(openRecording(file)).rejects.toThrow('version 2');
    await expect(openRecording(join(folder, 'absent'))).rejects.toThrow('ENOENT');
  });

  it('is played in its order and at its pace, and over and over if it is to be', async () => {
    const writer = new RecordingWriter(file, { board: null, intervalMs: 20 });
    writer.line(orinLine(10), 0);
    writer.line('tegrastats: a banner', 10_000);
    writer.reading({ ...READING, atUs: 40_000 });
    await writer.close();
    const readings: JetsonReading[] = [];
    const listener = { reading: (one: JetsonReading) => readings.push(one), failed() {} };
    let over = false;
    const once = new ReplaySource({ path: file, speed: 1, loop: false, intervalMs: 1, ended: () => (over = true) });
    once.start(listener);
    await expect.poll(() => over).toBe(true);
    await once.stop();
    expect(readings.map(({ gpu }) => gpu.utilizationPercent)).toEqual([10, 12]);
    expect(once.counters).toMatchObject({ readings: 2, odd: 1 });
    const [first, second] = readings as [JetsonReading, JetsonReading];
    expect(second.atUs - first.atUs).toBeGreaterThan(20_000);
    const again = new ReplaySource({ path: file, speed: 1e6, loop: true, intervalMs: 1 });
    again.start(listener);
    await expect.poll(() => readings.length).toBeGreaterThan(10);
    await again.stop();
    const { length } = readings;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(readings.length).toBe(length);
  });

  it('that cannot be played is told', async () => {
    const failures: string[] = [];
    const source = new ReplaySource({ path: file, speed: 1, loop: true, intervalMs: 1 });
    source.start({ reading() {}, failed: (_cause, message) => failures.push(message) });
    await expect.poll(() => failures[0]).toContain('ENOENT');
    await source.stop();
    expect(failures).toHaveLength(1);
  });
});
