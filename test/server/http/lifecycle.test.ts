import { expect, it } from 'vitest';
import { edgeFor, eventually, RawClient, ScriptedGateway } from './scripted-gateway.js';

const REQUEST = 'POST /functions/hold/1/invoke HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}';

it('says that a port is in use', async () => {
  const first = await edgeFor(new ScriptedGateway());
  try {
    await expect(edgeFor(new ScriptedGateway(), { port: first.port })).rejects.toMatchObject({
      name: 'IluvatarError',
      errorClass: 'conflict',
      message: expect.stringContaining(`127.0.0.1:${first.port}: the port is already in use`),
    });
  } finally {
    await first.close(0);
  }
});

it('says that an address cannot be listened on', async () => {
  await expect(edgeFor(new ScriptedGateway(), { address: '203.0.113.1' })).rejects.toMatchObject({
    errorClass: 'unavailable',
  });
});

it('closes idle connections at once and lets running requests finish', async () => {
  const gateway = new ScriptedGateway();
  gateway.define('hold', '1', () => {});
  const edge = await edgeFor(gateway);
  const idle = new RawClient(edge.port);
  idle.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
  await idle.until((text) => text.includes('live'));
  const busy = new RawClient(edge.port);
  busy.write(REQUEST);
  await eventually(() => gateway.held.size === 1);
  const closed = edge.close(60_000);
  await idle.closed;
  expect(busy.socket.destroyed).toBe(false);
  for (const held of [...gateway.held.values()]) held.settle({ payload: Buffer.from('"done"') });
  await busy.closed;
  await closed;
  expect(busy.received).toContain('"done"');
  expect(busy.received.toLowerCase()).toContain('connection: close');
  expect(gateway.abandoned).toEqual([]);
  const late = new RawClient(edge.port);
  await late.closed;
  expect(late.received).toBe('');
});

it('cuts off what does not finish within the grace, and abandons it', async () => {
  const gateway = new ScriptedGateway();
  gateway.define('hold', '1', () => {});
  const edge = await edgeFor(gateway);
  const busy = new RawClient(edge.port);
  busy.write(REQUEST);
  await eventually(() => gateway.held.size === 1);
  await edge.close(50);
  await busy.closed;
  expect(gateway.abandoned.length).toBe(1);
});
