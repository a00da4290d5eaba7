import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { iluvatar, type Ran } from '../cli/run.js';
import { describeWith } from '../support/requirement.js';
import { BIN, WorkerProcesses } from './support/worker-process.js';

/** The unit files: what is written, what systemd itself says of them, and a worker that lives under what they take away. Nothing of this machine's own systemd is touched. */

const run = promisify(execFile);
const POLL = { timeout: 50_000, interval: 50 };

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'iluvatar-test-service-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const unit = (name: string): string => join(root, 'etc/systemd/system', name);
const cli = (...args: string[]): Promise<Ran> => iluvatar(args);

async function install(...args: string[]): Promise<Ran> {
  const ran = await cli('install-service', '--root', root, ...args);
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  return ran;
}

/** Below the root, so that `--root` does not shift it: a file that exists where the service will look. */
function configFile(name: string, values: unknown): string {
  const file = join(root, name);
  writeFileSync(file, stringify(values));
  return file;
}

describe('install-service', () => {
  it('writes a unit and begins a configuration, and never writes over one', async () => {
    const { stdout } = await install();
    expect(stdout).toContain('start it with: systemctl enable --now iluvatar');
    const text = readFileSync(unit('iluvatar.service'), 'utf8');
    expect(text).toContain(`ExecStart=${process.execPath} ${BIN} worker --config /etc/iluvatar/worker.yaml\n`);
    expect(text).toContain('TimeoutStopSec=60\n');
    expect(existsSync(unit('iluvatar.socket'))).toBe(false);
    const config = join(root, 'etc/iluvatar/worker.yaml');
    writeFileSync(config, '# mine\n');
    await install();
    expect(readFileSync(config, 'utf8')).toBe('# mine\n');
  });

  it('goes by the configuration: name, time to drain, addresses, engines', async () => {
    const file = configFile('edge.yaml', {
      name: 'edge',
      dataDir: '/srv/iluvatar',
      drainMs: 90_500,
      http: { address: '::', port: 9000 },
      socketMode: '0660',
      backends: { containerd: { enabled: true } },
    });
    await install('--config', file, '--socket-unit', '--exec', '/usr/bin/iluvatar');
    const service = readFileSync(unit('iluvatar-edge.service'), 'utf8');
    expect(service).toContain(`ExecReload=/usr/bin/iluvatar reload --config ${file}\n`);
    expect(service).toContain('TimeoutStopSec=121\n');
    expect(service).toContain('After=network-online.target containerd.service iluvatar-edge.socket\n');
    expect(service).not.toContain('StateDirectory=');
    // An engine could not follow into a mount namespace.
    expect(service).not.toMatch(/^ProtectSystem=/m);
    const socket = readFileSync(unit('iluvatar-edge.socket'), 'utf8');
    expect(socket).toContain('ListenStream=[::]:9000\nListenStream=/srv/iluvatar/worker.sock\nSocketMode=0660\n');
  });

  it('prints without writing', async () => {
    const { code, stdout } = await cli('install-service', '--print', '--root', root, '--socket-unit');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^# iluvatar\.service\n\[Unit\]\n/);
    expect(stdout).toContain('\n# iluvatar.socket\n[Unit]\n');
    expect(existsSync(join(root, 'etc'))).toBe(false);
  });

  it('refuses what a unit cannot mean', async () => {
    const anyPort = configFile('any.yaml', { http: { port: 0 } });
    const cases: [string[], number, string][] = [
      [['--set', 'http.port=9000'], 2, 'a service has its configuration in its file'],
      [['--config', anyPort, '--socket-unit'], 2, 'any free port'],
      [['--config', configFile('bad.yaml', { htpp: {} })], 7, 'htpp'],
      [['--name', 'Not a name'], 7, 'Not a name'],
      [['--enable'], 2, 'no running systemd'],
    ];
    for (const [args, code, text] of cases) {
      const ran = await cli('install-service', '--root', root, ...args);
      expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(text)]);
    }
  });

  it('is undone by uninstall-service, which leaves the configuration', async () => {
    await install('--name', 'gone', '--socket-unit');
    const { code, stdout } = await cli('uninstall-service', '--name', 'gone', '--root', root);
    expect([code, stdout]).toEqual([0, `removed ${unit('iluvatar-gone.socket')}, ${unit('iluvatar-gone.service')}\n`]);
    expect(existsSync(join(root, 'etc/iluvatar/gone.yaml'))).toBe(true);
    expect((await cli('uninstall-service', '--name', 'gone', '--root', root)).stdout).toContain('there is no service');
  });
});

describeWith({ command: 'systemd-analyze' }, 'the units, as systemd reads them', () => {
  const verify = (...names: string[]): Promise<{ stdout: string; stderr: string }> =>
    run('systemd-analyze', ['verify', '--man=no', ...names.map(unit)], { env: { ...process.env, LC_ALL: 'C' } });
  /** What it finds, but for what it says of units that the host has besides. */
  const found = async (...names: string[]): Promise<string[]> => {
    const { stdout, stderr } = await verify(...names);
    return (stdout + stderr).split('\n').filter((line) => line !== '' && !/^(\/usr)?\/lib\/systemd\//.test(line));
  };

  it('are right, with and without sockets and engines', async () => {
    const engines = { containerd: { enabled: true }, docker: { enabled: true } };
    await install('--socket-unit');
    await install('--config', configFile('e.yaml', { name: 'engines', backends: engines }));
    expect(await found('iluvatar.service', 'iluvatar.socket', 'iluvatar-engines.service')).toEqual([]);
  });

  it('are right with paths that have a meaning to systemd', async () => {
    const file = configFile(`it's 100% "$HOME" \\n.yaml`, { name: 'odd', dataDir: join(root, 'da ta %h') });
    await install('--config', file, '--socket-unit');
    expect(await found('iluvatar-odd.service', 'iluvatar-odd.socket')).toEqual([]);
  });

  it('are noticed when they are wrong', async () => {
    await install();
    const text = readFileSync(unit('iluvatar.service'), 'utf8');
    writeFileSync(unit('iluvatar.service'), text.replace('WatchdogSec=30', 'WatchdogSec=soon'));
    const { stderr } = await verify('iluvatar.service').catch((error: { stderr: string }) => error);
    expect(stderr).toContain('soon');
  });

  it('have the exposure that the documentation states', async () => {
    await install();
    const { stdout } = await run('systemd-analyze', [
      'security',
      '--offline=yes',
      '--no-pager',
      unit('iluvatar.service'),
    ]);
    const figure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
    const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const stated = /exposure level of \*\*([\d.]+)\*\*/.exec(page)?.[1];
    // Versions weigh differently, by tenths.
    expect(Math.abs(figure - Number(stated))).toBeLessThan(0.5);
  });
});

describeWith({ root: true, cgroups: true, command: ['unshare', 'setpriv', 'mount'] }, 'a worker under its unit', () => {
  it('makes containers and networks with the capabilities and files that are left to it', async () => {
    await using workers = new WorkerProcesses();
    const text = (await cli('install-service', '--print')).stdout;
    const kept = /^CapabilityBoundingSet=(.+)$/m.exec(text)?.[1] as string;
    const bounding = kept.split(' ').map((name) => `+${name.toLowerCase().replace('cap_', '')}`);
    expect(text).toMatch(/^NoNewPrivileges=yes$/m);
    expect(text).toMatch(/^ProtectSystem=strict$/m);
    // As systemd does it: a mount namespace that receives what others mount, everything read-only but what is named.
    const script = [
      'for path in /tmp /var/tmp /run; do mount --bind "$path" "$path"; done',
      'mount -o remount,bind,ro /',
      `exec setpriv --no-new-privs --bounding-set=-all,${bounding.join(',')} "$@"`,
    ].join(' && ');
    const shell = ['unshare', '--mount', '--propagation', 'slave', 'sh', '-c', script, 'sh'];
    const worker = workers.spawn([], {}, [...shell, process.execPath, BIN, 'worker']);
    await worker.ready();
    const status = readFileSync(`/proc/${worker.pid}/status`, 'utf8');
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    workers.write('where/main.py', 'import os\ndef main(args):\n    return os.environ.get("ILUVATAR_ADDRESS")\n');
    workers.write('js/index.mjs', 'export function handler() { return "js"; }\n');
    for (const args of [['where'], ['where', '--name', 'bridged', '--network', 'bridge'], ['js']]) {
      const [folder = '', ...more] = args;
      const ran = await workers.run('register', workers.path(folder), ...more);
      expect([ran.code, ran.stderr]).toEqual([0, expect.anything()]);
    }
    expect((await workers.run('invoke', 'where')).stdout).toBe('null\n');
    expect((await workers.run('invoke', 'bridged')).stdout).toMatch(/^"10\./);
    expect((await workers.run('invoke', 'js')).stdout).toBe('"js"\n');
    expect((await workers.run('health')).code).toBe(0);
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    await expect.poll(() => existsSync(workers.socket), POLL).toBe(false);
  });
});
