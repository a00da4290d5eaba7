// A worker inside a program of one's own. No server, no daemon: it begins and ends with this process.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IluvatarError, Worker } from 'iluvatar';

const folder = mkdtempSync(join(tmpdir(), 'iluvatar-example-'));
// A function is a file or folder of source.
writeFileSync(
  join(folder, 'divide.py'),
  `import time

def main(args):
    time.sleep(args.get("seconds", 0))
    return {"quotient": args["a"] / args["b"]}
`,
);

const worker = await Worker.start({
  name: `example-${process.pid}`,
  dataDir: join(folder, 'data'),
  http: { enabled: false },
  log: { level: 'warn' },
});
try {
  await worker.register({ name: 'divide', source: join(folder, 'divide.py'), memoryMb: 64 });
  await worker.prewarm('divide');

  const { result, containerState, phases } = await worker.invoke('divide', { a: 7, b: 2 });
  console.log('result', result.quotient, `on a container that was ${containerState}, run in ${phases.runUs} µs`);

  // What goes wrong has a class, and a traceback where there is one; the container lives on after an error of the function's own.
  for (const [args, timeoutMs] of [
    [{ a: 1, b: 0 }, 1000],
    [{ a: 1, b: 1, seconds: 5 }, 100],
  ]) {
    try {
      await worker.invoke('divide', args, { timeoutMs });
    } catch (error) {
      if (!(error instanceof IluvatarError)) throw error;
      console.log('failure', error.errorClass, '-', error.message.split('\n').at(-1));
    }
  }

  const { memory, counters } = await worker.status();
  console.log('memory', `${memory.runningMb} MiB running, ${memory.cachedMb} MiB cached;`, counters.invocations, 'invocations');
} finally {
  await worker.stop();
  rmSync(folder, { recursive: true, force: true });
}
