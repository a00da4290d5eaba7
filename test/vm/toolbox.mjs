import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '/usr/lib/iluvatar/dist/index.js';

/**
 * What a test's function finds when it runs in a machine: `Inside` of guest-worker.ts. It is put before that function's text, and Node reads both as one module.
 */

const UNTIL_MS = 120_000;

/** Calls `body` and prints what it resolves with, or what it rejected with, as the last line. `patienceMs`: how long a worker that does not answer yet is waited for. */
export async function enter(name, body, given, patienceMs) {
  const client = await connected(`/var/lib/iluvatar/${name}/worker.sock`, patienceMs);
  let line;
  try {
    line = { value: await body(inside(name, client), given) };
  } catch (error) {
    line = { error: `${error.stack}` };
  }
  client.close();
  process.stdout.write(`\n${JSON.stringify(line)}\n`);
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
      await client.register({ name: functionName, source, ...definition }, options);
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
