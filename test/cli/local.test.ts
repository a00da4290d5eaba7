import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/cli/doctor/finding.js';
import { followLines, lastLines } from '../../src/cli/log-file.js';
import { HIDDEN } from '../../src/config/secrets.js';
import { iluvatar } from './run.js';

/** Commands that need no worker: config, doctor, logs. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iluvatar-cli-local-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function line(level: string, msg: string, fields: Record<string, unknown> = {}): string {
  return `${JSON.stringify({ level, time: '2026-01-02T03:04:05.006Z', ...fields, msg })}\n`;
}

describe('config', () => {
  it('shows what is in force, explains where it comes from, and prints the schema', async () => {
    const file = join(folder, 'worker.yaml');
    writeFileSync(file, 'http: { port: 1111, address: 0.0.0.0 }\n');
    const env = { ILUVATAR__HTTP__PORT: '2222' };
    const [show, before, explain, schema] = await Promise.all([
      iluvatar(['config', 'show', '--config', file, '--json'], { env }),
      iluvatar(['--config', file, '--set', 'lifecycleThreads=3', 'config', 'show', '--set', 'name=x'], { env }),
      iluvatar(['config', 'explain', 'http.port', '--config', file], { env }),
      iluvatar(['config', 'schema']),
    ]);
    expect(JSON.parse(show.stdout).http).toMatchObject({ port: 2222, address: '0.0.0.0' });
    expect(before.stdout).toMatch(/^name: x\n/);
    expect(before.stdout).toContain('lifecycleThreads: 3\n');
    expect(explain.stdout).toContain('value        2222 (environment variable ILUVATAR__HTTP__PORT)\n');
    expect(JSON.parse(schema.stdout).properties.http.type).toBe('object');
  });

  it('hides secrets unless they are asked for', async () => {
    const file = join(folder, 'secrets.yaml');
    const config = {
      async: { webhooks: { secret: 'sesame' } },
      tracing: { headers: { authorization: 'sesame' } },
      metrics: { push: { influx: [{ url: 'http://127.0.0.1:1', token: 'sesame' }] } },
    };
    writeFileSync(file, JSON.stringify(config));
    const [show, whole, explain] = await Promise.all([
      iluvatar(['config', 'show', '--config', file, '--json']),
      iluvatar(['config', 'show', '--config', file, '--json', '--secrets']),
      iluvatar(['config', 'explain', '--config', file]),
    ]);
    expect(JSON.parse(whole.stdout)).toMatchObject(config);
    expect(JSON.parse(show.stdout)).toMatchObject({
      async: { webhooks: { secret: HIDDEN } },
      tracing: { headers: { authorization: HIDDEN } },
      metrics: { push: { influx: [{ token: HIDDEN, password: '' }] } },
    });
    for (const { stdout } of [show, explain]) {
      expect(stdout).toContain(HIDDEN);
      expect(stdout).not.toContain('sesame');
    }
  });
});

describe('doctor', () => {
  it('reports on everything, each with what it gives and what to do', async () => {
    const { code, stdout } = await iluvatar(['doctor', '--json', '--set', `dataDir=${join(folder, 'data')}`]);
    const { usable, findings } = JSON.parse(stdout) as { usable: boolean; findings: Finding[] };
    expect(code).toBe(usable ? 0 : 1);
    const names = findings.map(({ name }) => name);
    for (const name of [
      'kernel',
      'node',
      'native addon',
      'open files',
      'layout',
      'memory',
      'cpu',
      'pids',
      'favordynmods',
      'bridges',
      'addresses',
      'containerd',
      'shim',
      'Docker',
    ]) {
      expect(names).toContain(name);
    }
    for (const name of ['python3', 'pip', 'node', 'npm', 'c++ compiler']) expect(names).toContain(name);
    for (const entry of findings) {
      expect(entry.gives).not.toBe('');
      expect(entry.found).not.toBe('');
    }
    const none = join(folder, 'none.sock');
    const wanted = [`backends.docker.socket=${none}`, 'backends.docker.enabled=true'];
    const absent = await iluvatar(['doctor', '--json', ...wanted.flatMap((text) => ['--set', text])]);
    const docker = (JSON.parse(absent.stdout) as { findings: Finding[] }).findings.find(
      ({ name }) => name === 'Docker',
    );
    expect(docker).toMatchObject({ state: 'missing', required: false, found: `${none}: there is no such socket` });
    expect(docker?.advice).toContain('apt-get install docker.io');
    expect(findings.find(({ name }) => name === 'node')?.found).toContain(process.version);
  });

  it('exits 1 when a worker cannot run here, and says why', async () => {
    writeFileSync(join(folder, 'a-file'), '');
    const dataDir = join(folder, 'a-file/data');
    const { code, stdout } = await iluvatar(['doctor', '--set', `dataDir=${dataDir}`, '--set', 'cgroup.mode=none']);
    expect(code).toBe(1);
    expect(stdout).toContain(`missing data folder`);
    expect(stdout).toContain('to do: set dataDir to a folder of yours');
    expect(stdout).toContain('switched off by cgroup.mode');
    expect(stdout).toMatch(/a worker cannot run here\n$/);
  });
});

describe('logs', () => {
  const fileOf = (name: string): string => {
    mkdirSync(join(folder, name, 'log'), { recursive: true });
    return join(folder, name, 'log/worker.log');
  };

  it('prints the last lines, filtered, readable or as JSON', async () => {
    const file = fileOf('filtered');
    writeFileSync(
      file,
      line('info', 'one', { tid: 'T' }) +
        line('warn', 'two', { module: 'pool', tid: 'T' }) +
        line('error', 'three') +
        'torn',
    );
    const env = { ILUVATAR__DATA_DIR: join(folder, 'filtered') };
    const [all, warnings, json, byTid] = await Promise.all([
      iluvatar(['logs'], { env: { ...env, TZ: 'UTC' } }),
      iluvatar(['logs', '--level', 'warn', '--json'], { env }),
      iluvatar(['logs', '-n', '1', '--json'], { env }),
      iluvatar(['logs', '--tid', 'T', '--module', 'pool', '--json'], { env }),
    ]);
    expect(all.stdout).toContain('[2026-01-02 03:04:05.006] INFO: one\n    tid: "T"\n');
    expect(all.stdout).toContain('WARN: pool: two');
    expect(warnings.stdout).toBe(line('warn', 'two', { module: 'pool', tid: 'T' }) + line('error', 'three'));
    expect(json.stdout).toBe(line('error', 'three'));
    expect(byTid.stdout).toBe(line('warn', 'two', { module: 'pool', tid: 'T' }));
  });

  it('exits 4 without a log and 2 for an unknown level', async () => {
    const env = { ILUVATAR__DATA_DIR: join(folder, 'none') };
    const [none, level] = await Promise.all([
      iluvatar(['logs'], { env }),
      iluvatar(['logs', '--level', 'loud'], { env }),
    ]);
    expect([none.code, level.code]).toEqual([4, 2]);
    expect(none.stderr).toContain(join(folder, 'none/log/worker.log'));
  });

  it('follows until it is interrupted', async () => {
    const file = fileOf('followed');
    writeFileSync(file, line('info', 'old'));
    const { code, stdout } = await iluvatar(['logs', '-f', '--json'], {
      env: { ILUVATAR__DATA_DIR: join(folder, 'followed') },
      started: (child) => {
        let seen = '';
        child.stdout?.on('data', (text: string) => {
          seen += text;
          if (seen.endsWith(line('info', 'old'))) appendFileSync(file, line('info', 'new'));
          if (seen.endsWith(line('info', 'new'))) child.kill('SIGINT');
        });
      },
    });
    expect([code, stdout]).toEqual([0, line('info', 'old') + line('info', 'new')]);
  });

  it('loses and repeats no line through torn writes, rotation and truncation', async () => {
    const file = fileOf('rotated');
    writeFileSync(file, 'a\nb\nhalf');
    const start = await lastLines(file, 1, () => true);
    expect(start?.lines).toEqual(['b']);
    const stop = new AbortController();
    const seen: string[] = [];
    const steps: Record<string, () => void> = {
      'half-done ü': () => {
        appendFileSync(file, 'before rotation\n');
        renameSync(file, `${file}.1`);
        appendFileSync(`${file}.1`, 'late\n');
        writeFileSync(file, 'after rotation\n');
      },
      'after rotation': () => writeFileSync(file, 'cut\n'),
      cut: () => stop.abort(),
    };
    appendFileSync(file, '-done ü\n');
    for await (const text of followLines(file, start, stop.signal)) {
      seen.push(text);
      steps[text]?.();
    }
    expect(seen).toEqual(['half-done ü', 'before rotation', 'late', 'after rotation', 'cut']);
  }, 20_000);
});
