import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '/usr/lib/iluvatar/dist/index.js';

/**
 * What runs the tests' functions in a machine: one process for all of them, because emulated it takes seconds to load the package. It is spoken to over a serial port (`process.argv[2]`) of which `evaluator.ts`
 * holds the other end: one JSON line a request, one an answer, in any order.
 */

const UNTIL_MS = 120_000;
/** Of an invocation: emulated, on a host that is busy, what takes a second elsewhere may take a minute. */
const INVOCATION_MS = 300_000;

const port = await open(process.argv[2], 'r+');
const answers = port.createWriteStream({ autoClose: false });
for await (const line of createInterface({ input: port.createReadStream({ autoClose: false }) })) {
  void evaluated(JSON.parse(line)).then((answer) => answers.write(`${JSON.stringify(answer)}\n`));
}

/** `patienceMs`: how long a worker that does not answer yet is waited for. */
async function evaluated({ id, worker, body, given, patienceMs }) {
  try {
    const client = await connected(`/var/lib/iluvatar/${worker}/worker.sock`, patienceMs);
    try {
      // As a module of its own, so that it sees nothing of this one.
      const { run } = await import(
        `data:text/javascript,${encodeURIComponent(`export const run = ${body};\n//${id}`)}`
      );
      return { id, value: await run(inside(worker, client), given) };
    } finally {
      client.close();
    }
  } catch (error) {
    return { id, error: `${error?.stack ?? error}` };
  }
}

async function connected(socket, patienceMs) {
  const until = Date.now() + patienceMs;
  for (;;) {
    try {
      return await connect(socket, { timeoutMs: Math.max(patienceMs, 60_000) });
    } catch (error) {
      if (Date.now() > until) throw error;
      await pause(250);
    }
  }
}

function inside(name, client) {
  return {
    client,
    async register(functionName, files, definition = {}) {
      const source = mkdtempSync(join(tmpdir(), 'source-'));
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(dirname(join(source, file)), { recursive: true });
        writeFileSync(join(source, file), text);
      }
      const lines = [];
      const options = { replace: true, progress: (line) => lines.push(line) };
      await client.register({ name: functionName, source, timeoutMs: INVOCATION_MS, ...definition }, options);
      return lines;
    },
    async failure(promise) {
      let result;
      try {
        result = await promise;
      } catch ({ errorClass, message, details }) {
        return { errorClass, message, evidence: details?.evidence ?? {} };
      }
      throw new Error(`it did not fail: ${JSON.stringify(result)}`);
    },
    settings(file) {
      const parent = join('/sys/fs/cgroup/iluvatar', name);
      return readdirSync(parent, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .flatMap((entry) => {
          try {
            return [readFileSync(join(parent, entry.name, file), 'utf8').trim()];
          } catch {
            // It went meanwhile.
            return [];
          }
        });
    },
    pressure() {
      return Number(/^some .*total=(\d+)/m.exec(readFileSync('/proc/pressure/memory', 'utf8'))?.[1]);
    },
    async until(what, holds) {
      for (const end = Date.now() + UNTIL_MS; !(await holds()); await pause(100)) {
        if (Date.now() > end) throw new Error(`never: ${what}`);
      }
    },
  };
}
