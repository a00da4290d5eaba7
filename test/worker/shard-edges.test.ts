import { fstatSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect } from '../../src/client/client.js';
import { parseConfig } from '../../src/config/load.js';
import type { HandedOver } from '../../src/server/hand-over.js';
import { closeLog, createLog } from '../../src/telemetry/logs/log.js';
import { Transport } from '../../src/transport/transport.js';
import { ShardEdges } from '../../src/worker/shard-edges.js';
import type { WorkerGateway } from '../../src/worker/worker-gateway.js';
import { HandOverStage, NamedGateway } from '../server/hand-over-support.js';
import { eventually, RawClient } from '../server/http/scripted-gateway.js';

/** The edges of one shard hand what they have to those of another. */

let stage: HandOverStage;
let shards = 0;
beforeEach(() => {
  stage = new HandOverStage();
});
afterEach(() => stage.end());

async function shardEdges(unix: number, http: number, path: string, enabled = true) {
  const gateway = new NamedGateway(`shard-${++shards}`);
  const transport = new Transport({ maxBodyBytes: 1 << 20, spinUs: 0, highWaterBytes: 1 << 20, hello: '{"name":"s"}' });
  stage.atEnd(() => transport.destroy());
  gateway.transport = transport;
  const inFlight = new SharedArrayBuffer(4096);
  const config = parseConfig({ dataDir: stage.folder, socket: path, http: { enabled, port: 0 } });
  const log = createLog(config);
  stage.atEnd(() => closeLog(log));
  const edges = new ShardEdges({
    config,
    log,
    sockets: {
      unix: { fd: unix, address: path, own: false },
      grpc: null,
      http: enabled ? { fd: http, address: '', own: false } : null,
    },
    transport,
    gateway: gateway as unknown as WorkerGateway,
    facts: () => ({ limits: config.limits, gpus: 0, backends: ['process'] }),
    inFlight,
  });
  await edges.open();
  await edges.openInherited();
  stage.atEnd(() => edges.close());
  return { edges, gateway, transport, inFlight: new Int32Array(inFlight) };
}

it('gives the connections of both edges to whoever comes next', async () => {
  const path = join(stage.folder, 'w.sock');
  const unix = await stage.listener({ path });
  const http = await stage.listener({ port: 0, host: '127.0.0.1' });
  const first = await shardEdges(unix.fd, http.fd, path);
  const client = await connect(path);
  stage.atEnd(() => client.close());
  const raw = new RawClient(http.port);
  stage.atEnd(() => raw.socket.destroy());
  const hold = 'POST /functions/hold/1/invoke HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}';
  raw.write(hold);
  await eventually(() => first.gateway.held.size === 1);
  const given: HandedOver[] = [];
  const handing = first.edges.handOver((handed) => given.push(handed), 20_000);
  await eventually(() => given.length === 1);
  expect(given[0]?.edge).toBe('unix');
  for (const held of [...first.gateway.held.values()]) held.settle({ payload: Buffer.from('"first"') });
  expect(await handing).toMatchObject({ given: 2, kept: 0 });
  await raw.until((text) => text.endsWith('"first"'));
  expect(first.edges.httpConnections).toBe(0);
  await first.edges.close();
  const second = await shardEdges(unix.fd, http.fd, path);
  for (const handed of given) second.edges.takeOver(JSON.parse(JSON.stringify(handed)) as HandedOver);
  expect((await client.invoke('who', { n: 4 })).result).toMatchObject({ n: 4, by: second.gateway.name });
  // Whoever answers in this thread's stead knows the connection too.
  raw.write(hold);
  await eventually(() => second.gateway.held.size === 1);
  expect(second.inFlight[given[1]?.fd as number]).toBe(1);
  for (const held of [...second.gateway.held.values()]) held.settle({ payload: Buffer.from('"second"') });
  await raw.until((text) => text.endsWith('"second"'));
  expect(second.inFlight.every((count) => count === 0)).toBe(true);
});

it('refuses a connection of an edge that is not open, and closes it', async () => {
  const path = join(stage.folder, 'w.sock');
  const unix = await stage.listener({ path });
  const http = await stage.listener({ port: 0, host: '127.0.0.1' });
  const first = await shardEdges(unix.fd, http.fd, path);
  const raw = new RawClient(http.port);
  stage.atEnd(() => raw.socket.destroy());
  await eventually(() => first.edges.httpConnections === 1);
  const given: HandedOver[] = [];
  await first.edges.handOver((handed) => given.push(handed), 20_000);
  const other = await shardEdges(unix.fd, http.fd, path, false);
  const handed = given[0] as HandedOver;
  expect(() => other.edges.takeOver(handed)).toThrow(expect.objectContaining({ errorClass: 'unavailable' }));
  expect(() => fstatSync(handed.fd)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  await raw.closed;
});
