import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { workerConfigSchema } from '../src/config/schema.js';
import { native } from '../src/native.js';
import { ContainerNetworks } from '../src/net/container-networks.js';
import type { AddressLease } from '../src/net/leases.js';
import { bareCalls } from './lib/netns-floor.js';
import { cniTool, ipCommands, type Maker } from './lib/netns-others.js';
import {
  atLeast,
  atMost,
  type Bench,
  type BenchOptions,
  type BenchResult,
  machine,
  median,
  percentile,
} from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/**
 * Network namespaces: taking one from the pool; making one (namespace, veth pair, address, route, bridge port) beside the bare system calls in C, the `ip`
 * commands and the CNI bridge plugin that do the same, by turns; 1,100 at once on two bridges, each answering at its address; and whether deleting 1,000 holds up
 * invocations of a worker beside it.
 */
const AT_ONCE = 1_100;
const PORTS = 1_000;
const DELETED = 1_000;
const BATCH = 16;
const CALLS_AT_ONCE = 32;
const INVOCATIONS = 300;

export const bench: Bench = { name: 'netns', title: 'Network namespaces: taken, made, and deleted', run };

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const result: BenchResult = {
    name: 'netns',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [],
  };
  const { figures, targets } = result;
  await makeBesideOthers(result, long ? 40 : 15);
  log('made one by one; now many');
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-netns-'));
  const config = workerConfigSchema.parse({
    name: `bench-netns-${process.pid}`,
    dataDir: folder,
    network: { range: '10.191.0.0/18', bridges: 2, portsPerBridge: PORTS, pool: { low: 0, high: AT_ONCE } },
  });
  const networks = new ContainerNetworks({
    config,
    log: { warn: (fields, text) => log(`${text} ${JSON.stringify(fields)}`) },
  });
  await networks.start();
  try {
    const begun = performance.now();
    await networks.open();
    while ((networks.counters()['networksReady'] ?? 0) < AT_ONCE) await pause(5);
    figures['each of 1,100 in the background ms'] = (performance.now() - begun) / AT_ONCE;
    const { leases, times } = takeAll(networks);
    figures['taking one p50 us'] = median(times);
    figures['taking one p99 us'] = percentile(times, 99);
    targets.push(atMost('taking one p50 us', median(times), 10));
    figures['bridges of 1,100'] = networks.counters()['networkBridges'] ?? 0;
    const answers = await answering(leases);
    const answered = answers.get('ECONNREFUSED') ?? 0;
    targets.push(atLeast('of 1,100 at once, answer at their addresses', answered, AT_ONCE));
    if (answered < AT_ONCE) {
      const others = [...answers]
        .filter(([answer]) => answer !== 'ECONNREFUSED')
        .map(([answer, n]) => `${n} × ${answer}`);
      const neighbours = readFileSync('/proc/sys/net/ipv4/neigh/default/gc_thresh3', 'utf8').trim();
      result.notes.push(
        `no answer: ${others.join(', ')}. The kernel remembers ${neighbours} neighbours (net.ipv4.neigh.default.gc_thresh3), of all namespaces together; a host and a container that speak need two`,
      );
    }
    await using worker = await startWorker();
    await worker.client.register({
      name: 'hello',
      source: fileURLToPath(new URL('../functions/hello', import.meta.url)),
    });
    await invocations(worker, INVOCATIONS);
    const quiet = await invocations(worker, INVOCATIONS);
    for (const lease of leases.slice(0, DELETED)) networks.bridged.give(lease);
    const deleting = performance.now();
    const during: number[] = [];
    // Their addresses are free again once they are gone; nothing else gives any back meanwhile.
    const gone = async (): Promise<boolean> =>
      (await native().netlink.links(`${networks.names.prefix}v`)).length <= AT_ONCE - DELETED;
    do during.push(...(await invocations(worker, 10)));
    while (!(await gone()));
    figures[`deleting ${DELETED} ms`] = performance.now() - deleting;
    Object.assign(figures, {
      'warm invocation p50 ms': median(quiet),
      'warm invocation p99 ms': percentile(quiet, 99),
      'warm invocation while deleting p50 ms': median(during),
      'warm invocation while deleting p99 ms': percentile(during, 99),
      'warm invocation while deleting worst ms': Math.max(...during),
    });
    targets.push(atMost(`worst invocation while deleting ${DELETED} ms`, Math.max(...during), 50));
  } finally {
    await networks.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const left = await native().netlink.links(networks.names.prefix);
  targets.push(atMost('links left at the end', left.length, 0));
  return result;
}

async function makeBesideOthers(result: BenchResult, rounds: number): Promise<void> {
  const makers: Maker[] = [];
  const times: Record<string, number[]> = {};
  const own = await ours();
  try {
    makers.push({ name: 'ours', make: () => own.make(1), close: own.close });
    makers.push({ name: 'ours, sixteen a call', make: () => own.make(BATCH), close: async () => {} });
    makers.push(await bareCalls(), await ipCommands());
    const cni = await cniTool();
    if (cni !== null) makers.push(cni);
    for (let round = -2; round < rounds; round++) {
      // Who comes after another's processes finds cold caches: to and fro.
      makers.reverse();
      for (const { name, make } of makers) {
        const ms = await make();
        if (round < 0) continue;
        times[name] ??= [];
        times[name].push(ms);
      }
    }
  } finally {
    for (const { close } of makers) await close();
  }
  const p50 = median(times['ours'] ?? []);
  result.figures['making one p50 ms'] = p50;
  result.figures['making one of sixteen in a call p50 ms'] = median(times['ours, sixteen a call'] ?? []);
  result.figures['making one p99 ms'] = percentile(times['ours'] ?? [], 99);
  for (const name of ['the bare calls', 'ip', 'cnitool']) {
    if (times[name] === undefined) continue;
    const other = median(times[name]);
    result.floor[`making one with ${name} p50 ms`] = other;
    result.ratios[`${name} / ours`] = other / p50;
  }
  if ('cnitool / ours' in result.ratios)
    result.targets.push(atLeast('cnitool / ours, making one', result.ratios['cnitool / ours'], 20));
  else result.notes.push('no cnitool here (CNITOOL or PATH, and the CNI plugins): beside ip alone');
}

/** So many namespaces in a call; ms each. The pool makes sixteen. */
async function ours(): Promise<{ make(count: number): Promise<number>; close(): Promise<void> }> {
  const { netlink } = native();
  const folder = mkdtempSync(join(tmpdir(), 'ilu-bench-own-'));
  const bridge = `iltown${process.pid % 10_000}`;
  await netlink.createBridge(bridge, '02:00:00:00:0c:01', '10.188.0.1/21');
  const links: string[] = [];
  return {
    async make(count) {
      const requests = Array.from({ length: count }, () => {
        const number = links.length + 2;
        const hostLink = `${bridge}v${number}`;
        links.push(hostLink);
        return {
          path: join(folder, hostLink),
          hostLink,
          link: 'eth0',
          mac: `02:00:00:00:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`,
          address: `10.188.${number >> 8}.${number & 255}/21`,
          gateway: '10.188.0.1',
          gatewayMac: '02:00:00:00:0c:01',
          isolated: true,
        };
      });
      const begun = performance.now();
      const outcomes = await netlink.createNamespaces(bridge, requests);
      const ms = (performance.now() - begun) / count;
      for (const failure of outcomes) if (failure !== null) throw failure;
      return ms;
    },
    async close() {
      await netlink.removeNamespaces(
        links.map((link) => join(folder, link)),
        [...links, bridge],
      );
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** µs each. */
function takeAll(networks: ContainerNetworks): { leases: AddressLease[]; times: number[] } {
  const leases: AddressLease[] = [];
  const times: number[] = [];
  for (let i = 0; i < AT_ONCE; i++) {
    const begun = performance.now();
    networks.bridged.take((lease, failure) => {
      if (lease === null) throw new Error(failure?.message);
      leases.push(lease);
    }, true);
    times.push((performance.now() - begun) * 1000);
  }
  if (leases.length !== AT_ONCE) throw new Error('the pool was not full');
  return { leases, times };
}

/** How often each answer was heard. Nobody listens there: that a connection is refused is the answer of the namespace. */
async function answering(leases: readonly AddressLease[]): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  const queue = leases.map(({ address }) => address);
  const caller = async (): Promise<void> => {
    for (let host = queue.pop(); host !== undefined; host = queue.pop()) {
      const answer = await knock(host);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, caller));
  return answers;
}

function knock(host: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 9, timeout: 5000 });
    const end = (how: string): void => {
      socket.destroy();
      resolve(how);
    };
    socket.once('connect', () => end('connected'));
    socket.once('timeout', () => end('timeout'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

/** ms each, one after the other. */
async function invocations({ client }: WorkerProcess, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const begun = performance.now();
    await client.invoke('hello', {});
    times.push(performance.now() - begun);
  }
  return times;
}
