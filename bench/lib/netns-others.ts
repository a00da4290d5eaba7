import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { native } from '../../src/native.js';

/**
 * How others make what network "bridge" makes: a namespace, a veth pair, an address and a default route in it, the other end on a bridge. Each
 * on a bridge and range of its own, in a folder that goes with it; no setting of the host is changed.
 */
export interface Maker {
  readonly name: string;
  /** One more; ms. */
  make(): number | Promise<number>;
  close(): Promise<void>;
}

const PLUGINS = ['/usr/lib/cni', '/opt/cni/bin'].find((folder) => existsSync(join(folder, 'bridge')));

/** One `ip` process a step, as a script has it. */
export async function ipCommands(): Promise<Maker> {
  const folder = mkdtempSync(join(tmpdir(), 'ilu-bench-ip-'));
  const bridge = `iltip${process.pid % 10_000}`;
  const links: string[] = [];
  const files: string[] = [];
  await native().netlink.createBridge(bridge, '02:00:00:00:0b:01', '10.189.0.1/21');
  const make = (): number => {
    const number = links.length + 2;
    const link = `${bridge}v${number}`;
    const file = join(folder, link);
    writeFileSync(file, '');
    links.push(link);
    files.push(file);
    const address = `10.189.${number >> 8}.${number & 255}/21`;
    return timed(() => {
      run('unshare', [`--net=${file}`, 'true']);
      run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', file]);
      run('ip', ['link', 'set', link, 'master', bridge, 'up']);
      run('nsenter', [`--net=${file}`, 'ip', 'link', 'set', 'lo', 'up']);
      run('nsenter', [`--net=${file}`, 'ip', 'link', 'set', 'eth0', 'up']);
      run('nsenter', [`--net=${file}`, 'ip', 'address', 'add', address, 'dev', 'eth0']);
      run('nsenter', [`--net=${file}`, 'ip', 'route', 'add', 'default', 'via', '10.189.0.1']);
    });
  };
  const close = async (): Promise<void> => {
    await native().netlink.removeNamespaces(files, [...links, bridge]);
    rmSync(folder, { recursive: true, force: true });
  };
  return { name: 'ip', make, close };
}

/** null = no cnitool on PATH or in CNITOOL, or no plugins. */
export async function cniTool(): Promise<Maker | null> {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'cnitool'));
  const tool = [process.env['CNITOOL'] ?? '', ...places].find((path) => path !== '' && existsSync(path));
  if (tool === undefined || PLUGINS === undefined) return null;
  const folder = mkdtempSync(join(tmpdir(), 'ilu-bench-cni-'));
  const bridge = `iltcni${process.pid % 10_000}`;
  const configuration = {
    cniVersion: '0.4.0',
    name: bridge,
    type: 'bridge',
    bridge,
    ipam: {
      type: 'host-local',
      dataDir: join(folder, 'addresses'),
      ranges: [[{ subnet: '10.190.0.0/21' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  mkdirSync(join(folder, 'net.d'));
  writeFileSync(join(folder, 'net.d', 'net.conf'), JSON.stringify(configuration));
  const env = { ...process.env, CNI_PATH: PLUGINS, NETCONFPATH: join(folder, 'net.d') };
  const files: string[] = [];
  const make = (): number => {
    const file = join(folder, `n${files.length}`);
    writeFileSync(file, '');
    files.push(file);
    return timed(() => {
      run('unshare', [`--net=${file}`, 'true']);
      run(tool, ['add', bridge, file], env);
    });
  };
  const close = async (): Promise<void> => {
    for (const file of files) run(tool, ['del', bridge, file], env);
    await native().netlink.removeNamespaces(files, [bridge]);
    rmSync(folder, { recursive: true, force: true });
  };
  return { name: 'cnitool', make, close };
}

function run(program: string, args: string[], env = process.env): void {
  execFileSync(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

function timed(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}
