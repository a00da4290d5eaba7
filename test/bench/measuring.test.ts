import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { firstLine } from '../../bench/lib/child.js';
import { startConstantServer } from '../../bench/lib/constant-server.js';
import { usageUs } from '../../bench/lib/container-cgroups.js';
import { parseGhz } from '../../bench/lib/ghz.js';
import {
  kilobytes,
  parentOf,
  processTree,
  proportionalMb,
  residentMb,
  secondsBetween,
  threadTimes,
} from '../../bench/lib/processes.js';
import { parseWrk } from '../../bench/lib/wrk.js';

describe('what the benches read of processes', () => {
  it('finds a child below this process, and not above it', async () => {
    const child = spawn('sleep', ['60']);
    try {
      expect(processTree(process.pid)).toContain(child.pid);
      expect(processTree(child.pid as number)).toEqual([child.pid]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('reads a parent behind a name that looks like a field', () => {
    expect(parentOf('42 (a) S 7 (b) S 17 42 42 0')).toBe(17);
    expect(parentOf('')).toBeNull();
  });

  it('counts the processor time of this process and of no other', () => {
    const before = threadTimes([process.pid]);
    const begun = process.cpuUsage();
    while (process.cpuUsage(begun).user < 50_000) Math.sqrt(Math.random());
    const seconds = secondsBetween(before, threadTimes([process.pid]));
    expect(seconds).toBeGreaterThan(0.04);
  });

  it('counts a thread that began between two readings from its start, and forgets one that ended', () => {
    const before = new Map([
      [1, 5e8],
      [2, 9e9],
    ]);
    const after = new Map([
      [1, 15e8],
      [3, 5e8],
    ]);
    expect(secondsBetween(before, after)).toBe(1.5);
  });

  it('reads memory, and nought of what has gone', () => {
    expect(residentMb(process.pid)).toBeGreaterThan(10);
    expect(proportionalMb(process.pid)).toBeGreaterThan(1);
    expect(proportionalMb(2 ** 22 + 1)).toBe(0);
    expect(kilobytes('Rss:  10 kB\nPss:   2048 kB\nPss_Dirty: 7 kB\n', 'Pss')).toBe(2048);
  });

  it('reads the time a v2 cgroup has used', () => {
    expect(usageUs('usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n')).toBe(1234);
    expect(usageUs('user_usec 1000\n')).toBeNaN();
  });
});

describe('what the benches start', () => {
  it('serves the constant, whatever is asked', async () => {
    await using server = await startConstantServer('{"constant":1}');
    for (const path of ['', 'functions/noop/1/invoke']) {
      const answer = await fetch(`${server.url}${path}`, { method: 'POST', body: '{}' });
      expect(await answer.json()).toEqual({ constant: 1 });
    }
  });

  it('says so when a child ends before it listens', async () => {
    const child = spawn('sh', ['-c', 'exit 3'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await expect(firstLine(child, 'the server')).rejects.toThrow('the server ended with 3 before it listened');
  });
});

describe('the figures of wrk', () => {
  const figures = { requests: 1000, us: 2_000_000, errors: 0, p50Us: 120, p99Us: 340.5 };

  it('are found behind what wrk prints for people', () => {
    const output = `Running 1s test\n  Latency 1ms\n${JSON.stringify(figures)}\n`;
    expect(parseWrk(output)).toEqual({ throughput: 500, p50Us: 120, p99Us: 340.5 });
  });

  it('are refused when there are none, or errors among them', () => {
    expect(() => parseWrk('unable to connect')).toThrow('no figures');
    expect(() => parseWrk(JSON.stringify({ ...figures, requests: 0 }))).toThrow('measured nothing');
    expect(() => parseWrk(JSON.stringify({ ...figures, errors: 2 }))).toThrow('2 errors in 1000 requests');
  });
});

describe('ghz', () => {
  const report = {
    count: 100,
    rps: 50.5,
    statusCodeDistribution: { OK: 100 },
    latencyDistribution: [
      { percentage: 50, latency: 120_000 },
      { percentage: 99, latency: 340_500 },
    ],
  };

  it('is read from its JSON, with times in µs', () => {
    expect(parseGhz(JSON.stringify(report))).toEqual({ calls: 100, throughput: 50.5, p50Us: 120, p99Us: 340.5 });
  });

  it('is refused when calls failed, or there were none', () => {
    const failed = { ...report, statusCodeDistribution: { OK: 99, Unavailable: 1 } };
    expect(() => parseGhz(JSON.stringify(failed))).toThrow('1 of 100 calls failed');
    expect(() => parseGhz(JSON.stringify({ ...report, latencyDistribution: null }))).toThrow('measured nothing');
  });
});
