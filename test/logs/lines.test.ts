import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { WorkerConfigInput } from '../../src/index.js';
import { STABLE_MESSAGES } from '../../src/telemetry/logs/messages.js';
import { describeWith } from '../support/requirement.js';
import { rejection, WorkerFixture } from '../worker/support/worker-fixture.js';

/** Lines of a worker's log that programs may rely on. */

interface Line {
  readonly msg: string;
  readonly tid?: string;
  readonly [field: string]: unknown;
}

let fixture: WorkerFixture | null = null;
afterEach(async () => {
  await fixture?.[Symbol.asyncDispose]();
  fixture = null;
});

async function start(config: WorkerConfigInput): Promise<WorkerFixture> {
  fixture = await WorkerFixture.start({ http: { enabled: false }, ...config });
  return fixture;
}

function lines({ folder }: WorkerFixture): Line[] {
  const text = readFileSync(join(folder, 'data/log/worker.log'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

const SIMULATED: WorkerConfigInput = {
  backends: { process: { enabled: false }, simulated: { enabled: true } },
  defaultBackends: ['simulated'],
};

describe('the log', () => {
  it('has what was done to a function under the transaction id of who asked, and each invocation under its own', async () => {
    const made = await start({ ...SIMULATED, log: { invocations: true } });
    const { worker } = made;
    const source = made.source('f', { 'simulated.json': '{"outcomes": {"raise": {"errorClass": "user_error"}}}' });
    await worker.register({ name: 'f', source }, { tid: 'registering' });
    await worker.prewarm('f');
    await worker.invoke('f', {}, { tid: 'first' });
    await rejection(worker.invoke('f', { do: 'raise' }, { tid: 'second' }));
    const { tid } = await worker.invoke('f', {});
    const id = await worker.invokeAsync('f', {});
    const { result } = await worker.result(id, { waitMs: 20_000 });
    // An accepted one that was given none has its own id.
    expect(result?.tid).toBe(id);
    await worker.unregister('f');
    await expect.poll(() => lines(made).at(-1)?.msg).toBe(STABLE_MESSAGES.functionUnregistered);
    const said = lines(made);
    const of = (msg: string) => said.filter((line) => line.msg === msg);
    expect(of(STABLE_MESSAGES.workerRunning)).toHaveLength(1);
    expect(of(STABLE_MESSAGES.functionRegistered)).toMatchObject([
      { tid: 'registering', function: 'f@1', backends: ['simulated'], digest: expect.any(String) },
    ]);
    expect(of(STABLE_MESSAGES.prewarmed)).toMatchObject([{ function: 'f@1', containers: 1 }]);
    expect(of(STABLE_MESSAGES.invocation).map(({ tid, errorClass }) => [tid, errorClass])).toEqual([
      ['first', null],
      ['second', 'user_error'],
      [tid, null],
      [id, null],
    ]);
  });

  it('has spans of each invocation where that is wanted', async () => {
    const made = await start({ ...SIMULATED, log: { spans: 'full' } });
    const { worker } = made;
    const description = { create: 2000, run: 1000 };
    await worker.register({ name: 'f', source: made.source('f', { 'simulated.json': JSON.stringify(description) }) });
    const { phases } = await worker.invoke('f', {}, { tid: 'mine' });
    await expect.poll(() => lines(made).filter(({ tid }) => tid === 'mine').length).toBe(8);
    const said = lines(made).filter(({ tid }) => tid === 'mine');
    expect(said.map(({ msg, span }) => [msg, span])).toEqual([
      [STABLE_MESSAGES.spanNew, 'invocation'],
      [STABLE_MESSAGES.spanNew, 'queue'],
      [STABLE_MESSAGES.spanClose, 'queue'],
      [STABLE_MESSAGES.spanNew, 'create'],
      [STABLE_MESSAGES.spanClose, 'create'],
      [STABLE_MESSAGES.spanNew, 'run'],
      [STABLE_MESSAGES.spanClose, 'run'],
      [STABLE_MESSAGES.spanClose, 'invocation'],
    ]);
    expect(said[4]).toMatchObject({ function: 'f@1', module: 'spans', us: phases.startUs });
    const at = said.map((line) => line['at'] as number);
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(said.at(-1)).toMatchObject({ state: 'cold', errorClass: null, at: said.at(-1)?.['us'] });
  });

  it('has one line for each span with `close`', async () => {
    const made = await start({ ...SIMULATED, log: { spans: 'close' } });
    await made.worker.register({ name: 'f', source: made.source('f', { 'simulated.json': '{}' }) });
    await made.worker.invoke('f', {}, { tid: 'mine' });
    await expect.poll(() => lines(made).filter(({ tid }) => tid === 'mine').length).toBe(4);
    expect(lines(made).every(({ msg }) => msg !== STABLE_MESSAGES.spanNew)).toBe(true);
  });
});

describeWith({ root: true, cgroups: true, command: 'python3' }, 'output of a container in the log', () => {
  it('carries the transaction id of what runs there alone', async () => {
    const made = await start({ sandbox: { stemCells: 1 } });
    const main = `import os, time
def main(args):
    os.write(1, b"from below\\n")
    time.sleep(1)
`;
    await made.python('f', main);
    await made.worker.invoke('f', {}, { tid: 'mine' });
    await expect
      .poll(() => lines(made).filter(({ msg }) => msg === 'from below'))
      .toMatchObject([{ tid: 'mine', function: 'f@1', stream: 'stdout' }]);
  });
});

describe('docs/logs.md', () => {
  it('lists the messages that stay as they are, and no others', () => {
    const page = readFileSync(fileURLToPath(new URL('../../docs/logs.md', import.meta.url)), 'utf8');
    const listed = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, message]) => message);
    expect(listed).toEqual(Object.values(STABLE_MESSAGES));
  });
});
