import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, connect } from '../../../src/index.js';
import { iluvatar, type Ran } from '../../cli/run.js';
import { describeWith } from '../../support/requirement.js';
import { rejection, WorkerFixture } from '../support/worker-fixture.js';
import { Receiver } from './support/receiver.js';

/** The same things over each edge, on a worker with its threads and real containers: HTTP, the client's socket, the library and the command line. */

const ECHO = 'def main(args):\n    return {"echo": args}\n';
const FRAGILE =
  'import os\ndef main(args):\n    if args.get("die"):\n        os._exit(3)\n    raise ValueError("raised")\n';
const SLEEPY = 'import time\ndef main(args):\n    time.sleep(args.get("s", 0))\n    return "slept"\n';

describeWith({ root: true, cgroups: true, command: 'python3' }, 'asynchronous invocations over every edge', () => {
  let fixture: WorkerFixture;
  let client: Client;
  let receiver: Receiver;

  beforeAll(async () => {
    receiver = await Receiver.start();
    fixture = await WorkerFixture.start({ threads: true, async: { attempts: 2, backOffMs: 1 } });
    client = await connect(fixture.worker.socketPath);
    await fixture.python('echo', ECHO);
    await fixture.python('fragile', FRAGILE);
    await fixture.python('sleepy', SLEEPY, { async: { concurrency: 1 } });
  });
  afterAll(async () => {
    client?.close();
    await fixture?.[Symbol.asyncDispose]();
    await receiver?.[Symbol.asyncDispose]();
  });

  const http = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${fixture.worker.httpUrl}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown>, response };
  };
  const cli = (...args: string[]): Promise<Ran> =>
    iluvatar(args, { env: { ILUVATAR__SOCKET: fixture.worker.socketPath } });

  it('HTTP: accepted with a key and a webhook, told, cancelled', async () => {
    const headers = { 'idempotency-key': 'once', 'x-iluvatar-webhook': receiver.url() };
    const [first, second] = [
      await http('POST', '/functions/echo/1/invoke?async', { n: 1 }, headers),
      await http('POST', '/functions/echo/1/invoke?async', { n: 1 }, headers),
    ];
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(first.response.headers.get('location')).toBe(`/invocations/${first.body.id}`);
    expect(second.body).toEqual(first.body);
    const other = await http('POST', '/functions/echo/1/invoke?async', { n: 2 }, headers);
    expect([other.status, other.body.errorClass]).toEqual([409, 'conflict']);
    const result = await http('GET', `/invocations/${first.body.id}?waitMs=30000`);
    expect(result).toMatchObject({ status: 200, body: { status: 'done', result: { result: { echo: { n: 1 } } } } });
    await expect.poll(() => receiver.received.length, { timeout: 20_000 }).toBe(1);
    expect(JSON.parse(receiver.received[0]?.body as string)).toEqual(result.body);
    const refused = await http('POST', '/functions/echo/1/invoke?async', {}, { 'x-iluvatar-webhook': 'ftp://x' });
    expect([refused.status, refused.body.errorClass]).toEqual([400, 'invalid']);
    const running = await http('POST', '/functions/sleepy/1/invoke?async', { s: 1 });
    const waiting = await http('POST', '/functions/sleepy/1/invoke?async', { s: 0 });
    expect((await http('DELETE', `/invocations/${waiting.body.id}`)).body).toEqual({ cancelled: true });
    expect((await http('DELETE', `/invocations/${waiting.body.id}`)).status).toBe(409);
    expect((await http('GET', `/invocations/${waiting.body.id}`)).body).toMatchObject({
      status: 'failed',
      error: { errorClass: 'cancelled' },
    });
    expect((await http('GET', `/invocations/${running.body.id}?waitMs=30000`)).body).toMatchObject({ status: 'done' });
  });

  it('HTTP: dead letters and schedules', async () => {
    const { body } = await http('POST', '/functions/fragile/1/invoke?async', { die: true });
    expect((await http('GET', `/invocations/${body.id}?waitMs=30000`)).body).toMatchObject({
      status: 'dead',
      attempts: 2,
    });
    expect((await http('GET', '/dead-letters?name=fragile')).body).toMatchObject([{ id: body.id }]);
    expect((await http('GET', `/dead-letters/${body.id}`)).body).toMatchObject({ arguments: { die: true } });
    const replayed = await http('POST', '/dead-letters/replay', { id: body.id });
    expect(replayed).toMatchObject({ status: 202, body: { ids: [expect.any(String)] } });
    const [again] = replayed.body.ids as string[];
    expect((await http('GET', `/invocations/${again}?waitMs=30000`)).body).toMatchObject({ status: 'dead' });
    expect((await http('POST', '/dead-letters/purge', { name: 'fragile' })).body).toEqual({ removed: 1 });
    expect((await http('POST', '/dead-letters/purge', {})).status).toBe(400);
    expect((await http('GET', `/dead-letters/${again}`)).status).toBe(404);
    const schedule = { name: 'echo', at: '2100-01-01T00:00:00Z', arguments: { n: 9 } };
    const added = await http('PUT', '/schedules/century', schedule);
    expect(added).toMatchObject({ status: 201, body: { id: 'century', at: Date.parse('2100-01-01T00:00:00Z') } });
    expect((await http('PUT', '/schedules/century', schedule)).status).toBe(409);
    expect((await http('GET', '/schedules')).body).toEqual([added.body]);
    expect((await http('DELETE', '/schedules/century')).body).toEqual({ removed: true });
    expect((await http('DELETE', '/schedules/century')).status).toBe(404);
  });

  it('client and library', async () => {
    const { worker } = fixture;
    for (const caller of [client, worker]) {
      const id = await caller.invokeAsync('echo', { n: 2 }, { idempotencyKey: 'both' });
      expect(await caller.result(id, { waitMs: 30_000 })).toMatchObject({ status: 'done', attempts: 1 });
      expect((await rejection(caller.cancel(id))).errorClass).toBe('conflict');
      expect(await caller.deadLetters.list({ name: 'echo' })).toEqual([]);
      expect(await caller.deadLetters.purge({ all: true })).toBe(0);
      const added = await caller.schedules.add({ id: 'later', name: 'echo', cron: '@yearly', timezone: 'Asia/Tokyo' });
      expect(added.nextAt).toBeGreaterThan(Date.now());
      expect(await caller.schedules.list()).toEqual([added]);
      await caller.schedules.remove('later');
    }
    const metrics = await client.metrics();
    // The one key was given over both.
    expect(metrics).toMatch(/iluvatar_async_ended_total\{status="done"\} \d+/);
    expect(metrics).toMatch(/iluvatar_async_accepted_total \d+/);
    expect((await worker.status()).async).toMatchObject({ waiting: 0, running: 0, oldestAgeMs: 0 });
  });

  it('command line', async () => {
    const id = (await cli('invoke', 'fragile', '--async', '-a', 'die=true')).stdout.trim();
    const told = await cli('result', id, '--wait', '30s');
    expect([told.code, told.stdout]).toEqual([9, '']);
    expect(told.stderr).toContain('crashed');
    expect((await cli('dead-letters', 'list')).stdout).toContain(id);
    expect(JSON.parse((await cli('dead-letters', 'show', id)).stdout)).toMatchObject({ id, arguments: { die: true } });
    const again = (await cli('dead-letters', 'replay', '--function', 'fragile@1')).stdout.trim();
    expect((await cli('result', again, '--wait', '30s')).code).toBe(9);
    expect((await cli('dead-letters', 'purge', '--all')).stdout).toBe('1 removed\n');
    expect((await cli('dead-letters', 'list')).stdout).toBe('there are no dead letters\n');
    const [nothing, both] = [await cli('dead-letters', 'purge'), await cli('dead-letters', 'replay', 'x', '--all')];
    expect([nothing.code, both.code]).toEqual([2, 2]);
    const keyed = ['invoke', 'echo', '--async', '--idempotency-key', 'cli', '-a', 'n=1'];
    expect((await cli(...keyed)).stdout).toBe((await cli(...keyed)).stdout);
    expect((await cli('invoke', 'echo', '--idempotency-key', 'cli')).code).toBe(2);
    expect((await cli('cancel', id)).code).toBe(8);
    const at = ['--at', '2100-01-01T00:00:00Z', '-a', 'n=1'];
    expect((await cli('schedules', 'add', 'century', 'echo', ...at)).stdout).toBe(
      'century: next at 2100-01-01T00:00:00.000Z\n',
    );
    expect((await cli('schedules', 'list')).stdout).toMatch(/century +echo@1 +2100-01-01/);
    expect((await cli('schedules', 'remove', 'century')).stdout).toBe('century: removed\n');
    expect((await cli('status')).stdout).toMatch(/async +0 waiting, 0 running; 0 dead letters, 0 schedules/);
  });
});
