import { credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { native } from '../../../src/native.js';
import { HealthClient } from '../../../src/rpc/gen/grpc/health/v1/health.js';
import type { GrpcEdge } from '../../../src/server/grpc/edge.js';
import { eventually, ScriptedGateway } from '../http/scripted-gateway.js';
import { called, GrpcStage, request } from './support.js';

/** An edge that ends, and one that takes its place: no call fails for it. */

let stage: GrpcStage;
let gateway: ScriptedGateway;
let edge: GrpcEdge;

beforeEach(async () => {
  stage = new GrpcStage();
  gateway = new ScriptedGateway();
  edge = await stage.edge(gateway);
});
afterEach(() => stage.end());

it('answers what runs before it closes, and takes nothing new', async () => {
  const client = stage.client(edge.port);
  const running = called(client.invoke, client, request('hold'));
  await eventually(() => gateway.held.size === 1);
  const closed = edge.close();
  const deadline = new Date(Date.now() + 5000);
  const late = await called(stage.client(edge.port).invoke, client, request('echo'), { deadline }).catch(
    (error) => error,
  );
  expect(late.code).toBe(status.UNAVAILABLE);
  for (const held of gateway.held.values()) held.settle({});
  expect(await running).toMatchObject({ success: true });
  await closed;
  expect(edge.connections).toBe(0);
});

it('cuts off what has not ended when the time is over', async () => {
  const client = stage.client(edge.port);
  const running = called(client.invoke, client, request('hold')).catch((error) => error);
  await eventually(() => gateway.held.size === 1);
  await edge.close(50);
  expect((await running).code).toBe(status.UNAVAILABLE);
  await eventually(() => gateway.abandoned.length === 1);
});

it('ends calls that have no end of their own', async () => {
  gateway.answer = async () => ({ healthy: true });
  const health = new HealthClient(`127.0.0.1:${edge.port}`, credentials.createInsecure());
  stage.atEnd(() => health.close());
  const watch = health.watch({ service: '' });
  const ended = new Promise<{ code: number }>((resolve) => watch.on('error', (error) => resolve(error as never)));
  await new Promise((resolve) => watch.once('data', resolve));
  await edge.close();
  expect((await ended).code).toBe(status.UNAVAILABLE);
});

it('keeps on with what is busy when it is to hand over in less time', async () => {
  const client = stage.client(edge.port);
  const running = called(client.invoke, client, request('hold'));
  await eventually(() => gateway.held.size === 1);
  expect(await edge.handOver(50)).toEqual({ given: 0, kept: 1, stalled: 0 });
  for (const held of gateway.held.values()) held.settle({});
  expect(await running).toMatchObject({ success: true });
});

it('hands its socket on while clients call, again and again, and no call fails', async () => {
  const clients = Array.from({ length: 8 }, () => stage.client(edge.port));
  let over = false;
  let calls = 0;
  const loads = clients.map(async (client, n) => {
    while (!over) {
      const args = `${n}-${calls++}`;
      expect((await called(client.invoke, client, request('echo', args))).jsonResult).toBe(args);
    }
  });
  let current = edge;
  for (let round = 0; round < 3; round++) {
    const before = calls;
    await eventually(() => calls > before + 100);
    const { fd } = current.listening();
    expect(await current.handOver(5000)).toMatchObject({ kept: 0 });
    expect(current.connections).toBe(0);
    current = await stage.edge(gateway, {}, fd);
    expect(current.port).toBe(edge.port);
  }
  over = true;
  await Promise.all(loads);
});

it('gives a socket away that outlives it', async () => {
  const { fd, address } = edge.listening();
  expect(address).toBe(`127.0.0.1:${edge.port}`);
  await edge.close();
  const client = stage.client(edge.port);
  // Waits in the socket, which nobody accepts from now.
  const waiting = called(client.invoke, client, request('echo', '7'));
  await stage.edge(gateway, {}, native().system.duplicate(fd));
  expect((await waiting).jsonResult).toBe('7');
  native().system.close(fd);
});
