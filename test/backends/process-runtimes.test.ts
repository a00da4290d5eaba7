import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ProcessFunction } from '../../src/backends/process/function.js';
import type { FunctionDefinitionInput } from '../../src/config/api.js';
import { describeWith } from '../support/requirement.js';
import { cgroupsOf, type Harness, prepare, startProcessBackend, TestContainer } from './support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from './support/temporary.js';
import { makeWheel } from './support/wheel.js';

const FIXTURES = fileURLToPath(new URL('fixtures', import.meta.url));
const HEADER = fileURLToPath(new URL('../../src/agents/binary', import.meta.url));

describeWith(
  { root: true, cgroups: true, command: ['python3', 'cc'] },
  'runtimes and agents of the process backend',
  () => {
    let harness: Harness;
    const containers: TestContainer[] = [];

    beforeAll(async () => {
      harness = await startProcessBackend();
    });
    afterEach(async () => {
      await Promise.all(containers.splice(0).map((container) => container.destroy()));
    });
    afterAll(async () => {
      await harness?.close();
      expect(cgroupsOf(harness.config.name)).toEqual([]);
      removeTemporaryFolders();
    });

    async function container(definition: FunctionDefinitionInput, lines: string[] = []): Promise<TestContainer> {
      const fn = await prepare(harness.backend, definition, (line) => lines.push(line));
      const made = new TestContainer(harness.backend, harness.transport, fn);
      containers.push(made);
      await made.started();
      return made;
    }

    describe('Node', () => {
      it('runs CommonJS and ES modules, keeps a container after an exception', async () => {
        const source = writeTree(temporaryFolder(), {
          'index.js':
            'let n = 0; exports.handler = async (args) => { n++; if (args.fail) throw new Error("mine"); console.log("said"); return { n, uid: process.getuid() }; };',
        });
        const made = await container({ name: 'node', source });
        expect((await made.invoke({ fail: 1 })).errorClass).toBe('user_error');
        const answer = await made.invoke({});
        expect(answer).toMatchObject({ errorClass: null, result: { n: 2 }, details: { stdout: 'said\n' } });
        expect((answer.result as { uid: number }).uid).toBeGreaterThanOrEqual(harness.config.sandbox.uidBase);
        const module = writeTree(temporaryFolder(), {
          'index.mjs': 'export const handler = (args) => ({ esm: args.x });',
        });
        expect(await (await container({ name: 'esm', source: module })).invoke({ x: 1 })).toMatchObject({
          result: { esm: 1 },
        });
      });

      it.each(['index.js', 'index.mjs'])('finds installed packages from %s', async (file) => {
        const text =
          file === 'index.js'
            ? "const thing = require('thing'); exports.handler = () => thing;"
            : "import thing from 'thing'; export const handler = () => thing;";
        const source = writeTree(temporaryFolder(), {
          [file]: text,
          'package.json': '{"name":"f","dependencies":{"thing":"file:./thing"}}',
          'thing/package.json': '{"name":"thing","version":"1.0.0","main":"index.js"}',
          'thing/index.js': 'module.exports = 42',
        });
        expect(await (await container({ name: 'packages', source })).invoke({})).toMatchObject({
          errorClass: null,
          result: 42,
        });
      });

      it('names the end of a process that exits', async () => {
        const source = writeTree(temporaryFolder(), {
          'index.js': 'exports.handler = () => process.kill(process.pid, "SIGKILL");',
        });
        expect(await (await container({ name: 'killed', source })).invoke({})).toMatchObject({
          errorClass: 'crashed',
          message: expect.stringContaining('SIGKILL'),
        });
      });
    });

    describe('executables', () => {
      it('runs a C program that speaks the protocol', async () => {
        const folder = writeTree(temporaryFolder(), {
          'src/echo.c': [
            '#include "iluvatar.h"',
            'static void echo(const iluvatar_request* request, iluvatar_reply* reply, void* context) {',
            '  (void)context; iluvatar_reply_result(reply, request->arguments, request->size);',
            '}',
            'int main(void) { return iluvatar_serve(echo, NULL); }',
          ].join('\n'),
        });
        execFileSync('cc', ['-I', HEADER, '-o', join(folder, 'main'), join(folder, 'src/echo.c')]);
        const made = await container({ name: 'c', source: folder });
        expect(await made.invoke({ a: [1, 2] })).toMatchObject({ errorClass: null, result: { a: [1, 2] } });
      });

      it('says why a program that cannot be executed did not start', async () => {
        const source = writeTree(temporaryFolder(), { main: { text: 'no program at all', mode: 0o755 } });
        await expect(container({ name: 'bad', source, runtime: 'binary', entry: 'main' })).rejects.toMatchObject({
          errorClass: 'start_failed',
        });
      });
    });

    describe('Python', () => {
      it('runs without a zygote', async () => {
        const source = writeTree(temporaryFolder(), { 'main.py': 'def main(args):\n  return args\n' });
        const made = await container({ name: 'fresh', source, zygote: false });
        expect(await made.invoke({ a: 1 })).toMatchObject({ errorClass: null, result: { a: 1 } });
      });

      it('finds installed packages, warm and not', async () => {
        const wheels = temporaryFolder();
        const filler = `TEXT = """${'x'.repeat(600 * 1024)}"""\n`;
        makeWheel(wheels, 'ilu_heavy', '1.0', {
          'ilu_heavy/__init__.py': 'import os, time\nLOADED = (os.getpid(), time.time())\n',
          'ilu_heavy/filler.py': filler,
          'ilu_heavy/lazy.py': 'VALUE = 7\n',
        });
        const source = writeTree(temporaryFolder(), {
          'main.py':
            'import os\nimport ilu_heavy\ndef main(args):\n  import ilu_heavy.lazy\n  return [ilu_heavy.LOADED[0] == os.getpid(), ilu_heavy.lazy.VALUE, ilu_heavy.__file__]\n',
          'requirements.txt': `--no-index\n--find-links ${wheels}\nilu_heavy\n`,
        });
        const lines: string[] = [];
        const warm = await container({ name: 'heavy', source }, lines);
        expect(lines.join('\n')).toContain('warming an interpreter with ilu_heavy');
        expect(harness.backend.health().counters['zygotes']).toBe(1);
        const answer = await warm.invoke({});
        expect(answer.result).toEqual([
          false,
          7,
          expect.stringMatching(/^\/layers\/[0-9a-f]{64}\/ilu_heavy\/__init__\.py$/),
        ]);
        const plain = await container({ name: 'heavy-fresh', source, zygote: false });
        expect((await plain.invoke({})).result).toEqual([true, 7, expect.any(String)]);
        const fn = (await prepare(harness.backend, { name: 'heavy', source })) as ProcessFunction;
        await harness.backend.release(fn);
        expect(harness.backend.health().counters['zygotes']).toBe(1);
        await harness.backend.release(fn);
        expect(harness.backend.health().counters['zygotes']).toBe(0);
      });

      it('starts a function all the same when its packages cannot be imported ahead', async () => {
        const wheels = temporaryFolder();
        makeWheel(wheels, 'ilu_broken', '1.0', {
          'ilu_broken/__init__.py': 'import os\nif os.getuid() == 0:\n  raise RuntimeError("not as root")\n',
          'ilu_broken/filler.py': `TEXT = """${'x'.repeat(600 * 1024)}"""\n`,
        });
        const source = writeTree(temporaryFolder(), {
          'main.py': 'import ilu_broken\ndef main(args):\n  return "started"\n',
          'requirements.txt': `--no-index\n--find-links ${wheels}\nilu_broken\n`,
        });
        const lines: string[] = [];
        const made = await container({ name: 'broken-ahead', source }, lines);
        expect(lines.join('\n')).toMatch(/no interpreter of its own: .*not as root/);
        expect((await made.invoke({})).result).toBe('started');
      });

      it('answers several invocations at once where the function allows it', async () => {
        const source = writeTree(temporaryFolder(), {
          'main.py':
            'import threading\nmeet = threading.Barrier(3, timeout=10)\ndef main(args):\n  meet.wait()\n  return args["n"]\n',
        });
        const made = await container({ name: 'together', source, concurrency: 3 });
        const answers = await Promise.all([1, 2, 3].map((n) => made.invoke({ n })));
        expect(answers.map((answer) => answer.result)).toEqual([1, 2, 3]);
      });
    });

    describe('old agents', () => {
      it('speaks the original’s socket protocol', async () => {
        const source = temporaryFolder();
        copyFileSync(join(FIXTURES, 'legacy-socket-agent.py'), join(source, 'main.py'));
        const made = await container({ name: 'old', source, server: 'legacy-socket', env: { GREETING: 'hi' } });
        const answer = await made.invoke({ n: 1 });
        expect(answer).toMatchObject({ errorClass: null, result: { got: { n: 1 }, greeting: 'hi' } });
        expect((answer.result as { uid: number }).uid).not.toBe(0);
        expect(await made.invoke({ fail: 1 })).toMatchObject({ errorClass: 'user_error', message: 'it failed' });
        const several = await Promise.all([1, 2, 3, 4].map((n) => made.invoke({ n })));
        expect(several.map((each) => (each.result as { got: { n: number } }).got.n)).toEqual([1, 2, 3, 4]);
        expect((await made.invoke({ die: 1 })).errorClass).toBe('crashed');
        await made.destroy();
      });

      it('speaks the original’s HTTP protocol over one connection', async () => {
        const source = temporaryFolder();
        copyFileSync(join(FIXTURES, 'http-agent.py'), join(source, 'main.py'));
        const made = await container({ name: 'web', source, server: 'http', network: 'host' });
        for (let n = 0; n < 3; n++) {
          expect(await made.invoke({ n })).toMatchObject({
            errorClass: null,
            runUs: 250_000,
            result: { got: { n }, connections: 1 },
          });
        }
        expect(await made.invoke({ fail: 1 })).toMatchObject({ errorClass: 'user_error', message: 'it failed' });
        expect(await made.invoke({ html: 1 })).toMatchObject({
          errorClass: 'crashed',
          message: expect.stringContaining('HTTP 500'),
        });
        await expect(prepare(harness.backend, { name: 'web2', source, server: 'http' })).rejects.toMatchObject({
          errorClass: 'invalid',
        });
      });
    });
  },
);
