import { expect, it, vi } from 'vitest';
import { called, GrpcStage } from '../server/grpc/support.js';
import { describeWith } from '../support/requirement.js';
import { WorkerProcesses } from './support/worker-process.js';

const COUNTER = `
calls = 0
def main(args):
    global calls
    calls += 1
    return {"calls": calls, "n": args["n"]}
`;
const CLIENTS = 8;
const UPGRADES = 2;

vi.setConfig({ testTimeout: 300_000 });

describeWith(
  { root: true, cgroups: true, command: 'python3' },
  'a worker that is replaced while gRPC clients call',
  () => {
    it('listens at the same place in each process, and fails no call', async () => {
      await using workers = new WorkerProcesses();
      const stage = new GrpcStage();
      try {
        const first = await workers.start(['--grpc-port', '0']);
        const port = Number(/127\.0\.0\.1:(\d+) \(gRPC\)/.exec(first.stdout)?.[1]);
        expect(port).toBeGreaterThan(0);
        workers.write('counter/main.py', COUNTER);
        await using control = await workers.client();
        await control.register({ name: 'counter', source: workers.path('counter'), memoryMb: 64 });
        let over = false;
        let answered = 0;
        const loads = Array.from({ length: CLIENTS }, async (_, at) => {
          const client = stage.client(port);
          for (let n = at; !over; n += CLIENTS) {
            const asked = { functionName: 'counter', functionVersion: '1', transactionId: '', details: false };
            const answer = await called(client.invoke, client, { ...asked, jsonArgs: JSON.stringify({ n }) });
            expect(answer.success, answer.jsonResult).toBe(true);
            expect(JSON.parse(answer.jsonResult)).toMatchObject({ n });
            answered++;
          }
        });
        const loaded = Promise.all(loads);
        let failure: unknown = null;
        loaded.catch((error: unknown) => {
          failure = error;
        });
        const pids = new Set([first.pid]);
        for (let round = 0; round < UPGRADES && failure === null; round++) {
          const before = answered;
          const upgraded = await workers.run('upgrade', '--json');
          expect(upgraded, upgraded.stderr).toMatchObject({ code: 0 });
          const { pid } = JSON.parse(upgraded.stdout) as { pid: number };
          expect(pids.has(pid)).toBe(false);
          pids.add(pid);
          await vi.waitFor(() => expect(answered).toBeGreaterThan(before + CLIENTS), { timeout: 60_000 });
        }
        over = true;
        await loaded;
        const { counters } = await control.status();
        expect(counters['cold']).toBe(0);
      } finally {
        await stage.end();
      }
      expect(await workers.run('stop')).toMatchObject({ code: 0 });
    });
  },
);
