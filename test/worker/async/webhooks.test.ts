import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkerConfigInput } from '../../../src/config/schema.js';
import { checkWebhookUrl, webhookHeaders } from '../../../src/worker/async/webhook-request.js';
import { rejection } from '../support/worker-fixture.js';
import { Receiver } from './support/receiver.js';
import { Rig } from './support/rig.js';
import { STORES, type StoreUnderTest } from './support/stores.js';

const SECRET = `whsec_${Buffer.from('a secret of twenty-four!').toString('base64')}`;
const POLL = { timeout: 20_000 };

describe.each(STORES)('webhooks on %s', (_name, create) => {
  let stored: StoreUnderTest;
  let rig: Rig;
  let receiver: Receiver;

  beforeEach(async () => {
    stored = create();
    receiver = await Receiver.start();
  });
  afterEach(async () => {
    await rig?.[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
    await stored.remove();
  });

  async function started(webhooks: NonNullable<WorkerConfigInput['async']>['webhooks'] = {}): Promise<void> {
    const settings = { secret: SECRET, backOffMs: 1, maxBackOffMs: 10, ...webhooks };
    rig = await Rig.start({ async: { attempts: 1, webhooks: settings } }, await stored.open());
  }

  it('tell a receiver each end, signed, with the result document', async () => {
    await started();
    await rig.simulated('f', { result: { ok: '$args' } });
    await rig.simulated('g', {}, { async: { webhook: receiver.url('/of-function') } });
    const webhook = receiver.url('/hook?x=1');
    const done = await rig.invoke('f', { n: 1 }, { webhook });
    const dead = await rig.invoke('f', { do: 'die' }, { webhook });
    const own = await rig.invoke('g', { do: 'raise' });
    await expect.poll(() => receiver.received.length, POLL).toBe(3);
    const byId = new Map(receiver.received.map((one) => [one.headers['webhook-id'], one]));
    for (const [id, path, status] of [
      [done, '/hook?x=1', 'done'],
      [dead, '/hook?x=1', 'dead'],
      [own, '/of-function', 'failed'],
    ]) {
      const { headers, body, path: at } = byId.get(id) as (typeof receiver.received)[number];
      expect(at).toBe(path);
      expect(JSON.parse(body)).toEqual(await rig.result(id as string, 0));
      expect(JSON.parse(body)).toMatchObject({ id, status });
      const timestamp = headers['webhook-timestamp'];
      const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
      const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
      expect(headers['webhook-signature']).toBe(`v1,${signature}`);
      expect(headers['content-type']).toBe('application/json');
      expect(Math.abs(Number(timestamp) * 1000 - Date.now())).toBeLessThan(300_000);
    }
    await expect.poll(() => rig.status().async, POLL).toMatchObject({ webhooksDelivered: 3, webhooksWaiting: 0 });
  });

  it('are tried again after failures, cut connections and redirects, which are not followed', async () => {
    await started();
    await rig.simulated('f');
    receiver.answers = [500, 0, 302, 429, 200];
    const id = await rig.invoke('f', {}, { webhook: receiver.url() });
    await expect.poll(() => rig.status().async.webhooksDelivered, POLL).toBe(1);
    expect(receiver.received.map(({ path }) => path)).toEqual(Array(5).fill('/hook'));
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([id]));
  });

  it('are given up after their attempts, and at once when the receiver is gone for good', async () => {
    await started({ attempts: 3 });
    await rig.simulated('f');
    receiver.answers = [500, 500, 500, 410];
    await rig.invoke('f', {}, { webhook: receiver.url('/never') });
    await expect.poll(() => rig.status().async.webhooksFailed, POLL).toBe(1);
    await rig.invoke('f', {}, { webhook: receiver.url('/gone') });
    await expect.poll(() => rig.status().async.webhooksFailed, POLL).toBe(2);
    expect(receiver.received.map(({ path }) => path)).toEqual(['/never', '/never', '/never', '/gone']);
    expect(rig.status().async).toMatchObject({ webhooksWaiting: 0, webhooksDelivered: 0 });
  });

  it('come after a restart, with a result that is kept until then', async () => {
    await started({ attempts: 100, backOffMs: 30, maxBackOffMs: 60 });
    await rig.simulated('f', { result: 'kept' });
    receiver.answers = Array(1000).fill(503);
    const id = await rig.invoke('f', {}, { webhook: receiver.url() });
    await expect.poll(() => receiver.received.length, POLL).toBeGreaterThan(1);
    await rig.end();
    await stored.close();
    receiver.answers = [];
    const before = receiver.received.length;
    await rig.begin(await stored.open());
    await expect.poll(() => rig.status().async.webhooksDelivered, POLL).toBe(1);
    expect(receiver.received).toHaveLength(before + 1);
    expect(JSON.parse(receiver.received.at(-1)?.body as string)).toMatchObject({ id, result: { result: 'kept' } });
    expect(rig.runs).toHaveLength(1);
  });

  it('go to allowed hosts by http and https only', async () => {
    await started({ hosts: [receiver.host, 'hooks.example'] });
    await rig.simulated('f');
    await rig.invoke('f', {}, { webhook: receiver.url() });
    await expect.poll(() => receiver.received.length, POLL).toBe(1);
    for (const webhook of ['http://other.example/', 'ftp://hooks.example/', 'file:///etc/passwd', 'nonsense']) {
      expect((await rejection(rig.invoke('f', {}, { webhook }))).errorClass).toBe('invalid');
      expect((await rejection(rig.simulated('h', {}, { async: { webhook } }))).errorClass).toBe('invalid');
    }
    expect(rig.status().async.accepted).toBe(1);
  });
});

describe('a webhook request', () => {
  it('takes hosts with and without their port', () => {
    expect(() => checkWebhookUrl('https://a.example:8443/x', ['a.example'])).not.toThrow();
    expect(() => checkWebhookUrl('https://a.example:8443/x', ['a.example:8443'])).not.toThrow();
    expect(() => checkWebhookUrl('https://a.example/x', ['a.example:8443'])).toThrow('not allowed');
    expect(() => checkWebhookUrl('https://a.example@evil.example/x', ['a.example'])).toThrow('user or password');
    expect(() => checkWebhookUrl('https://b.example/', [])).not.toThrow();
  });

  it('is signed as Standard Webhooks says: its own example', () => {
    const headers = webhookHeaders(
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1614265330,
      '{"test": 2432232314}',
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    );
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
    expect(webhookHeaders('m', 1, '{}', '')).not.toHaveProperty('webhook-signature');
  });
});
