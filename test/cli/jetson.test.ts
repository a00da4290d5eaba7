import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { picture } from '../../src/cli/jetson/watch-view.js';
import type { JetsonStatus } from '../../src/config/jetson-api.js';
import { FakeBoard, ORIN } from '../support/jetson-board.js';
import { FakeTegrastats, orinLine } from '../support/tegrastats.js';
import { iluvatar } from './run.js';

/** `iluvatar jetson`: as a user calls it, against a recording, a fake board and a fake tegrastats. */

describe('iluvatar jetson', () => {
  let folder: string;
  let fake: FakeTegrastats | null = null;
  let board: FakeBoard | null = null;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-jetson-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    fake?.remove();
    board?.remove();
    fake = null;
    board = null;
  });

  it('shows a recording, a line a reading or as JSON, and ends with it', async () => {
    const file = join(folder, 'lines.txt');
    writeFileSync(file, `# two lines\n${orinLine(50)}\n${orinLine(50, 7000)}\n`);
    const shown = await iluvatar(['jetson', 'watch', '--replay', file, '--speed', '1000']);
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    const [first, second, ...rest] = shown.stdout.trim().split('\n');
    expect(first).toMatch(
      /^\d\d:\d\d:\d\d {2}gpu 50 %, 305 MHz {2}memory 1343 of 7620 MiB {2}power 5\.25 W {2}gpu 49\.6 °C$/,
    );
    expect([second?.includes('power 6.30 W'), rest]).toEqual([true, []]);
    const json = await iluvatar(['jetson', 'watch', '--replay', file, '--speed', '1000', '--once', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ source: 'replay', memory: { totalMb: 7620 }, cpus: { length: 6 } });
  });

  it('records what tegrastats says, until it is interrupted, and plays it again', async () => {
    fake = new FakeTegrastats({ do: 'say', lines: [orinLine(33)] });
    const file = join(folder, 'board.jsonl');
    const set = ['--set', `jetson.command=${JSON.stringify([fake.program])}`];
    const args = ['jetson', 'watch', '--source', 'tegrastats', '--interval', '20ms', '--record', file, ...set];
    const recorded = await iluvatar(args, {
      started: (child) => child.stdout?.once('data', () => setTimeout(() => child.kill('SIGINT'), 200)),
    });
    expect([recorded.code, recorded.stderr]).toMatchObject([0, expect.stringMatching(/^\d+ entries in /)]);
    expect(fake.living).toEqual([]);
    const [head, entry] = readFileSync(file, 'utf8').split('\n');
    expect(JSON.parse(head as string)).toEqual({ recording: 'jetson', version: 1, board: null, intervalMs: 20 });
    expect(JSON.parse(entry as string)).toEqual({ atUs: 0, line: orinLine(33) });
    const played = await iluvatar(['jetson', 'watch', '--replay', file, '--speed', '100', '--once']);
    expect(played.stdout).toContain('memory 1343 of 7620 MiB');
  });

  it('says what the board is, and reads it without any program', async () => {
    board = new FakeBoard(ORIN);
    const set = ['--set', `jetson.root=${board.root}`];
    const facts = await iluvatar(['jetson', 'facts', ...set]);
    expect(facts.stdout).toContain('L4T 36.4.3 (JetPack 6)');
    expect(facts.stdout).toContain('MODE_30W (2)');
    expect(facts.stdout).toMatch(/a worker asks +sysfs/);
    const once = await iluvatar(['jetson', 'watch', '--once', '--json', ...set]);
    expect(JSON.parse(once.stdout)).toMatchObject({ source: 'sysfs', power: { totalMw: 11_150, estimated: true } });
    const doctor = await iluvatar(['doctor', '--json', ...set]);
    const findings = (JSON.parse(doctor.stdout) as { findings: { group: string; found: string }[] }).findings;
    expect(findings.filter(({ group }) => group === 'jetson').map(({ found }) => found)).toEqual([
      'NVIDIA Jetson AGX Orin Developer Kit, L4T 36.4.3',
      'from the GPU’s driver',
      'VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0, VDDQ_VDD2_1V8AO',
    ]);
  });

  it('says what is wrong', async () => {
    const none = ['--set', 'jetson.root=/nowhere'];
    const [plain, facts, absent, missing, odd] = await Promise.all([
      iluvatar(['jetson', 'watch', ...none]),
      iluvatar(['jetson', 'facts', ...none]),
      iluvatar(['jetson', 'watch', '--replay', join(folder, 'absent'), '--json']),
      iluvatar(['jetson', 'watch', '--source', 'tegrastats', '--once', '--set', 'jetson.command=["/not/there"]'], {
        started: (child) => child.stderr?.once('data', () => child.kill('SIGTERM')),
      }),
      iluvatar(['jetson', 'watch', '--source', 'nvidia-smi']),
    ]);
    expect([plain.code, plain.stderr]).toMatchObject([4, expect.stringContaining('this is no Jetson')]);
    expect(facts.stdout).toContain('this is no Jetson');
    expect([absent.code, JSON.parse(absent.stderr)]).toMatchObject([4, { error: { class: 'not_found' } }]);
    expect([missing.code, missing.stderr]).toMatchObject([
      3,
      expect.stringContaining('there is no program /not/there'),
    ]);
    expect(odd.code).toBe(2);
  });
});

describe('the picture of a board', () => {
  const STATUS: JetsonStatus = {
    board: {
      model: 'Board',
      chip: null,
      l4t: '36.4.3',
      jetpack: '6',
      powerMode: { id: 2, name: null },
      memoryMb: 8000,
    },
    source: 'tegrastats',
    stale: false,
    gpu: { utilizationPercent: 50, freqMhz: 300, ageMs: 1500 },
    memory: { usedMb: 6000, totalMb: 8000, ageMs: 0 },
    power: { totalMw: 9500, estimated: true, rails: [{ name: 'A', powerMw: 9500 }], ageMs: 0 },
    temperatures: [{ name: 'cpu', tempC: 51.25 }],
    temperaturesAgeMs: 0,
    throttledBy: ['oc1'],
    counters: { readings: 7, odd: 1, restarts: 2, overCurrentEvents: 0, losses: 0 },
  };
  const READING = {
    atUs: 0,
    gpu: { utilizationPercent: 50, freqMhz: 300 },
    memory: null,
    cpus: [
      { online: true, loadPercent: 100, freqMhz: 729 },
      { online: false, loadPercent: null, freqMhz: null },
    ],
    temperatures: [],
    rails: [],
    totalPower: null,
  };

  it('has everything that is known, in the width that there is', () => {
    const lines = picture({ status: STATUS, reading: READING, trouble: 'it ended' }, 60).map(stripVTControlCharacters);
    expect(lines).toEqual([
      'Board, L4T 36.4.3, mode 2',
      'GPU       [###########           ] 50 %, 300 MHz',
      'memory    [#################     ] 6000 of 8000 MiB',
      'cpu 0     [######################] 100 %, 729 MHz',
      'cpu 1     [?                     ] off',
      '',
      'power     about 9.50 W (the rails that are measured)',
      '          A 9.50 W',
      '',
      'heat      cpu 51.3 °C',
      'throttled oc1',
      'tegrastats, GPU read 1.5 s ago; 7 readings, 1 odd, 2 restar…',
      'it ended',
    ]);
  });
});
