import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveDataDir } from '../../src/config/paths.js';
import { LinkNames } from '../../src/net/names.js';
import { describeWith } from '../support/requirement.js';
import { rejection, WorkerFixture } from '../worker/support/worker-fixture.js';

/** Containers with addresses of their own, through a whole worker: real bridges, on ranges that nothing else on the machine has. */

/** Answers over its own address; asked, it also calls another one. */
const SERVER = `
import os, socket, threading

def serve():
    server = socket.create_server((os.environ["ILUVATAR_ADDRESS"], 7000))
    while True:
        peer, _ = server.accept()
        peer.sendall(b"hello from " + os.environ["ILUVATAR_ADDRESS"].encode())
        peer.close()

threading.Thread(target=serve, daemon=True).start()

def main(args):
    if "call" in args:
        try:
            with socket.create_connection((args["call"], args.get("port", 7000)), timeout=0.4) as peer:
                return {"heard": peer.recv(100).decode()}
        except OSError as error:
            return {"failed": type(error).__name__}
    with open("/proc/net/route") as file:
        routes = [line.split() for line in file][1:]
    names = [name for _, name in socket.if_nameindex()]
    return {"address": os.environ["ILUVATAR_ADDRESS"], "default": [r[0] for r in routes if r[1] == "00000000"], "links": names}
`;

interface Told {
  address: string;
  default: string[];
  links: string[];
}

function call(host: string, port = 7000): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect({ host, port, timeout: 5000 });
    socket.on('data', (chunk) => {
      heard += chunk.toString();
    });
    socket.on('end', () => resolve(heard));
    socket.on('error', reject);
  });
}

function linksOf({ worker }: WorkerFixture): string[] {
  const { prefix } = new LinkNames(`${worker.config.name}\0${resolveDataDir(worker.config)}\0${0}`);
  return readdirSync('/sys/class/net').filter((name) => name.startsWith(prefix));
}

function mountsOf({ folder }: WorkerFixture): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder) && line.includes('nsfs'));
}

async function started(range: string, more: Record<string, unknown> = {}): Promise<WorkerFixture> {
  const pool = { low: 1, high: 3 };
  return await WorkerFixture.start({ network: { range, pool, ...more }, sandbox: { stemCells: 1 } });
}

describeWith({ root: true, cgroups: true, command: 'python3' }, 'network "bridge"', () => {
  it('gives a container an address that the host reaches, and nothing is left of it afterwards', async () => {
    const fixture = await started('10.211.0.0/20');
    try {
      const { worker } = fixture;
      expect(linksOf(fixture)).toEqual([]);
      await fixture.python('server', SERVER, { network: 'bridge' });
      const { result } = await worker.invoke<Told>('server');
      expect(result).toMatchObject({ address: expect.stringMatching(/^10\.211\./), default: ['eth0'] });
      expect(result.links.sort()).toContain('eth0');
      expect(await call(result.address)).toBe(`hello from ${result.address}`);
      const { counters } = await worker.status();
      expect(counters).toMatchObject({ networkBridges: 1, networksFailed: 0 });
      expect(counters['networksInUse']).toBeGreaterThanOrEqual(1);
      expect(mountsOf(fixture).length).toBeGreaterThan(0);
      // A container's end ends its address; the link is gone before the address is anybody else's.
      await worker.clean();
      await expect(call(result.address)).rejects.toThrow(/EHOSTUNREACH|ETIMEDOUT|ECONNREFUSED/);
    } finally {
      await fixture.worker.stop();
      expect([linksOf(fixture), mountsOf(fixture)]).toEqual([[], []]);
      await fixture[Symbol.asyncDispose]();
    }
  });

  it.each([false, true])('lets containers reach each other only if told to: %s', async (connected) => {
    await using fixture = await started(connected ? '10.212.0.0/20' : '10.212.16.0/20', { connected });
    const { worker } = fixture;
    await fixture.python('one', SERVER, { network: 'bridge' });
    await fixture.python('two', SERVER, { network: 'bridge' });
    const one = (await worker.invoke<Told>('one')).result;
    const two = (await worker.invoke<Told>('two')).result;
    expect(one.address).not.toBe(two.address);
    const heard = await worker.invoke('one', { call: two.address });
    if (connected) expect(heard.result).toEqual({ heard: `hello from ${two.address}` });
    else expect(heard.result).toEqual({ failed: expect.stringMatching(/TimeoutError|OSError/) });
    // The host is reached in both cases: nobody listens there.
    const gateway = two.address.replace(/\.\d+$/, '.1');
    expect((await worker.invoke('one', { call: gateway, port: 9 })).result).toEqual({
      failed: 'ConnectionRefusedError',
    });
    // And a container without a network reaches nobody.
    await fixture.python('none', SERVER.replaceAll('os.environ["ILUVATAR_ADDRESS"]', '"127.0.0.1"'));
    expect((await worker.invoke('none', { call: two.address })).result).toEqual({ failed: 'OSError' });
  });

  it('opens the next bridge when one is full, and then refuses', async () => {
    await using fixture = await started('10.213.0.0/24', { bridges: 2, portsPerBridge: 2, pool: { low: 0, high: 1 } });
    const { worker } = fixture;
    await fixture.python('server', SERVER, { network: 'bridge', memoryMb: 64, concurrency: 1, cpus: 0.1 });
    const { containers } = await worker.prewarm('server', { count: 3 });
    expect(containers).toBe(3);
    const { counters } = await worker.status();
    expect(counters['networkBridges']).toBe(2);
    const error = await rejection(worker.prewarm('server', { count: 6 }));
    expect([error.errorClass, error.message]).toEqual([
      'overloaded',
      expect.stringContaining('no network address is free'),
    ]);
    // Room again once containers have ended.
    await worker.clean();
    expect((await worker.invoke<Told>('server')).result.address).toMatch(/^10\.213\./);
  });

  it('evicts an idle container for its address, and refuses a start only when none idles', async () => {
    await using fixture = await started('10.217.0.0/24', { bridges: 1, portsPerBridge: 3, pool: { low: 0, high: 1 } });
    const { worker } = fixture;
    const small = { network: 'bridge', memoryMb: 64, concurrency: 1, cpus: 0.1 };
    const waits = `${SERVER}\nserve_main = main\n\ndef main(args):\n    import time\n    time.sleep(args.get("wait", 0))\n    return serve_main(args)\n`;
    // A stem cell and a ready namespace hold addresses too, and make way.
    for (const name of ['one', 'two', 'three', 'four']) await fixture.python(name, waits, small);
    const addresses = new Map<string, string>();
    for (const name of ['one', 'two', 'three', 'four', 'one']) {
      const { result } = await worker.invoke<Told>(name);
      expect(await call(result.address)).toBe(`hello from ${result.address}`);
      addresses.set(name, result.address);
    }
    const { counters, memory } = await worker.status();
    expect(counters).toMatchObject({ containersCreated: 5, containersEvicted: 2, networkBridges: 1 });
    expect([memory.cachedContainers, memory.runningContainers]).toEqual([3, 0]);
    const busy = ['one', 'three', 'four'].map((name) => worker.invoke<Told>(name, { wait: 3 }));
    await expect.poll(async () => (await worker.status()).memory.runningContainers).toBe(3);
    const error = await rejection(worker.invoke('two'));
    expect([error.errorClass, error.message]).toEqual([
      'overloaded',
      'no network address is free for another container (3 are held)',
    ]);
    expect(new Set((await Promise.all(busy)).map(({ result }) => result.address)).size).toBe(3);
    expect((await worker.invoke<Told>('two')).result.address).toMatch(/^10\.217\./);
  });

  it('makes no link for functions that are spoken to over their socket alone', async () => {
    await using fixture = await started('10.218.0.0/24');
    await fixture.python(
      'none',
      'def main(args):\n    return [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]\n',
    );
    const { result } = await fixture.worker.invoke<string[]>('none');
    expect(result).toEqual(['lo']);
    expect([linksOf(fixture), mountsOf(fixture)]).toEqual([[], []]);
    const { counters } = await fixture.worker.status();
    expect(Object.keys(counters).filter((name) => name.startsWith('network'))).toEqual([]);
  });

  it('gives containers the name servers that it is told', async () => {
    await using fixture = await started('10.220.0.0/24', { portsPerBridge: 4, dns: ['192.0.2.53', '192.0.2.54'] });
    await fixture.python('dns', 'def main(args):\n    return open("/etc/resolv.conf").read()\n', { network: 'bridge' });
    const { result } = await fixture.worker.invoke<string>('dns');
    expect(result).toBe('nameserver 192.0.2.53\nnameserver 192.0.2.54\n');
  });

  it('speaks HTTP to an agent at its own address', async () => {
    await using fixture = await started('10.216.0.0/20');
    const agent = readFileSync(new URL('../backends/fixtures/http-agent.py', import.meta.url), 'utf8');
    await fixture.python('old', agent, { network: 'bridge', server: 'http' });
    const { result } = await fixture.worker.invoke('old', { n: 1 });
    expect(result).toMatchObject({ got: { n: 1 }, path: '/invoke' });
    const error = await rejection(fixture.python('no', agent, { server: 'http' }));
    expect([error.errorClass, error.message]).toEqual([
      'invalid',
      expect.stringContaining('network "bridge" or "host"'),
    ]);
  });

  it('refuses a registration with the reason where there is no room for a bridge', async () => {
    await using first = await started('10.214.0.0/29', { portsPerBridge: 4 });
    await using second = await started('10.214.0.0/29', { portsPerBridge: 4 });
    await first.python('server', SERVER, { network: 'bridge' });
    const error = await rejection(second.python('server', SERVER, { network: 'bridge' }));
    expect([error.errorClass, error.message]).toEqual([
      'unavailable',
      expect.stringContaining('used by this machine already'),
    ]);
    expect((await second.worker.health()).notes.join('\n')).toContain('network "bridge" is not available');
    expect(linksOf(second)).toEqual([]);
  });

  it('cleans what a worker of the same name left, and nothing else', async () => {
    const { native } = await import('../../src/native.js');
    const { netlink } = native();
    await using fixture = await started('10.215.0.0/20');
    const { prefix } = new LinkNames(`${fixture.worker.config.name}\0${resolveDataDir(fixture.worker.config)}\0${0}`);
    const other = `${prefix}x`;
    await netlink.createBridge(`${prefix}b0`, '02:00:00:00:00:01', '10.215.16.1/24');
    await netlink.createBridge(other, '02:00:00:00:00:02', '10.215.17.1/24');
    try {
      const folder = join(resolveDataDir(fixture.worker.config), 'networks-0');
      const request = {
        path: join(folder, `${prefix}v0`),
        hostLink: `${prefix}v0`,
        link: 'eth0',
        mac: '02:00:00:00:00:03',
        address: '10.215.16.2/24',
        gateway: '10.215.16.1',
        gatewayMac: '02:00:00:00:00:01',
        isolated: true,
      };
      expect(await netlink.createNamespaces(`${prefix}b0`, [request])).toEqual([null]);
      expect([linksOf(fixture).length, mountsOf(fixture).length]).toEqual([3, 1]);
      const { ContainerNetworks } = await import('../../src/net/container-networks.js');
      const networks = new ContainerNetworks({ config: fixture.worker.config, log: { warn() {} } });
      await networks.start();
      expect([linksOf(fixture), mountsOf(fixture)]).toEqual([[other], []]);
    } finally {
      await netlink.deleteLinks([other, `${prefix}b0`, `${prefix}v0`]);
    }
  });
});

describe('a backend without networks', () => {
  it.skipIf(process.getuid?.() !== 0)('refuses functions that want one', async () => {
    const { startProcessBackend, prepare } = await import('../backends/support/harness.js');
    const { removeTemporaryFolders } = await import('../backends/support/temporary.js');
    const harness = await startProcessBackend();
    try {
      const definition = { name: 'f', source: new URL('../../functions/hello', import.meta.url).pathname };
      const error = await rejection(prepare(harness.backend, { ...definition, network: 'bridge' }));
      expect(error.errorClass).toBe('unavailable');
    } finally {
      await harness.close();
      removeTemporaryFolders();
    }
  });
});
