import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from '../../../src/native.js';
import type { AddressLease } from '../../../src/net/leases.js';
import { overlap, parseRange, type Range } from '../../../src/net/range.js';
import { NetworksRig, taken } from './rig.js';

/**
 * Run in a network namespace of its own, which plays the host: another one behind a bridge plays the outside. Prints what was seen as JSON. Nothing here
 * touches the machine's own tables, links or settings.
 */
const UPLINK = 'uplink0';
const GATEWAY_MAC = '02:00:00:00:aa:01';
const OUTSIDE = '192.0.2.2';

/** Accepts one connection, or says why none came, and prints who called. */
const SERVER = `
import socket, sys
server = socket.create_server((sys.argv[1], 7000))
server.settimeout(20)
print("listening", flush=True)
peer, who = server.accept()
peer.sendall(who[0].encode())
peer.close()`;

const CLIENT = `
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as peer:
        print(peer.recv(100).decode(), end="")
except OSError as error:
    print(type(error).__name__, end="")`;

const forwarding = (): string => readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();

const tables = (): string => execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).trim();

/** Which of the leases' bridges are translated. nft shows neighbouring subnets as one. */
function sources(...leases: readonly AddressLease[]): boolean[] {
  const rules = execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
  const ranges = (rules.match(/[\d.]+\/\d+/g) ?? []).map((text) => parseRange(text) as Range);
  return leases.map(({ allocation: { bridge } }) => ranges.some((range) => overlap(range, bridge.subnet)));
}

function inside(namespace: string, program: string, ...args: string[]): string {
  return execFileSync('nsenter', [`--net=${namespace}`, 'python3', '-c', program, ...args], { encoding: 'utf8' });
}

async function serverIn(namespace: string, address: string): Promise<() => void> {
  const server = spawn('nsenter', [`--net=${namespace}`, 'python3', '-c', SERVER, address]);
  await once(server.stdout, 'data');
  return () => server.kill('SIGKILL');
}

async function main(): Promise<void> {
  const { netlink } = native();
  const folder = mkdtempSync(join(tmpdir(), 'ilu-nat-'));
  const outside = join(folder, 'outside');
  const seen: Record<string, unknown> = {};
  try {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '0');
    // Somebody else's table stays what it is.
    execFileSync('nft', ['-f', '-'], {
      input: 'table ip theirs {\n chain keep {\n type filter hook input priority 0;\n }\n}\n',
    });
    await netlink.createBridge(UPLINK, GATEWAY_MAC, '192.0.2.1/24');
    const [failure] = await netlink.createNamespaces(UPLINK, [
      {
        path: outside,
        hostLink: 'up0',
        link: 'eth0',
        mac: '02:00:00:00:aa:02',
        address: `${OUTSIDE}/24`,
        gateway: '192.0.2.1',
        gatewayMac: GATEWAY_MAC,
        isolated: false,
      },
    ]);
    if (failure != null) throw failure;
    const network = { range: '10.227.0.0/24', bridges: 2, portsPerBridge: 1, pool: { low: 0, high: 1 }, nat: true };
    {
      await using rig = await new NetworksRig(network, 'left').open();
      seen['notes'] = rig.networks.notes();
      seen['left alone'] = forwarding();
    }
    seen['tables between'] = tables();
    const rig = await new NetworksRig({ ...network, forwarding: 'enable' }, 'nat').open();
    // The next life of the same worker, which the first, as if it had been killed, does not tidy up for.
    const next = new NetworksRig(network, 'nat', rig.folder);
    try {
      const { networks } = rig;
      seen['forwarding'] = [forwarding(), networks.notes()];
      const [one, two] = [await taken(networks.bridged), await taken(networks.bridged)];
      const [path, path2] = [one, two].map(({ name }) => join(networks.folder, name)) as [string, string];
      seen['bridges'] = networks.counters()['networkBridges'];
      const stop = await serverIn(outside, OUTSIDE);
      try {
        seen['outside sees'] = inside(path, CLIENT, OUTSIDE, '7000', '5');
      } finally {
        stop();
      }
      const stopInside = await serverIn(path, one.address);
      try {
        seen['host calls in'] = [inside('/proc/self/ns/net', CLIENT, one.address, '9', '2')];
        seen['outside calls in'] = inside(outside, CLIENT, one.address, '7000', '1');
        seen['the other bridge calls'] = inside(path2, CLIENT, one.address, '7000', '1');
      } finally {
        stopInside();
      }
      seen['tables while it runs'] = tables().split('\n').length;
      next.networks.keep(JSON.parse(JSON.stringify([two])));
      await next.networks.start();
      seen['sources of the next life'] = sources(two, one);
      const stopAgain = await serverIn(outside, OUTSIDE);
      const stopKept = await serverIn(path2, two.address);
      try {
        seen['outside sees of the kept one'] = inside(path2, CLIENT, OUTSIDE, '7000', '5');
        seen['outside calls the kept one'] = inside(outside, CLIENT, two.address, '7000', '1');
      } finally {
        stopAgain();
        stopKept();
      }
      await taken(next.networks.bridged);
      seen['sources with a new bridge'] = sources(two, one);
      await next.networks.stop();
    } finally {
      await next[Symbol.asyncDispose]();
    }
    seen['tables afterwards'] = tables();
    seen['links left'] = rig.links;
  } finally {
    await netlink.removeNamespaces([outside], ['up0', UPLINK]);
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(JSON.stringify(seen));
}

await main();
