/**
 * The agent of the `nodejs` runtime: HELLO, wait for ASSIGN, load the user's code, say READY, answer INVOKE until the connection ends. Descriptors 3
 * and 4 are as docs/protocol.md says. Environment: ILUVATAR_CONTAINER and ILUVATAR_TOKEN for its HELLO, ILUVATAR_STORE where nothing is mounted.
 *
 * Node cannot fork, so ready processes wait in `readFrame`; all that ASSIGN needs is loaded before.
 */
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Capture, Sink } from './capture.mjs';
import { describe } from './failure.mjs';
import { load, MissingEntry, prepare } from './loader.mjs';
import { encodeMeta, Runner } from './runner.mjs';
import { BODY_LIMIT, Connection, Exit, FrameType, PROTOCOL_VERSION, readFrame, Status, writeAll } from './wire.mjs';

const CONNECTION_FD = 3;
const ASSIGN_FD = 4;
const exit = process.reallyExit.bind(process);
const now = performance.now.bind(performance);

// A user's `cluster.fork()` before its own file is known would run an agent a second time, on a descriptor that is not its own.
if (process.env.NODE_CHANNEL_FD !== undefined) {
  writeAll(2, 'iluvatar: the agent is not to be started by another Node process\n');
  exit(Exit.startFailed);
}

let runner = null;
let loading = true;
const connection = new Connection(CONNECTION_FD, receive, ended);
const capture = new Capture();

function receive(type, requestId, x0, x1, body, meta) {
  if (type === FrameType.invoke && runner !== null) runner.run(requestId, x0, body, meta);
  else if (type === FrameType.ping) connection.send(FrameType.pong, 0, 0, requestId, 0, 0, 0, '', '');
  else if (type === FrameType.hello) {
    if (x1 > PROTOCOL_VERSION || x0 < PROTOCOL_VERSION) {
      ended('ERR_PROTOCOL_VERSION', `the worker speaks ${x1} to ${x0}, this agent ${PROTOCOL_VERSION}`);
    }
  } else if (type !== FrameType.error) ended('ERR_FRAME_TYPE', `an agent does not take frames of type ${type} now`);
}

function ended(code, message) {
  if (code === null) exit(Exit.end);
  connection.send(FrameType.error, 0, 0, 0, 0, 0, 0, JSON.stringify({ code, message }), '');
  exit(Exit.internal); // at once: what follows on the connection cannot be understood
}

function hello() {
  const { ILUVATAR_CONTAINER: container = '', ILUVATAR_TOKEN: token = '' } = process.env;
  delete process.env.ILUVATAR_CONTAINER;
  delete process.env.ILUVATAR_TOKEN;
  const meta = JSON.stringify({ role: 'agent', container, token, pid: process.pid });
  connection.send(FrameType.hello, 0, 0, 0, PROTOCOL_VERSION, PROTOCOL_VERSION, BODY_LIMIT / 1024, meta, '');
}

async function assigned(assign, store) {
  const started = now();
  const sink = new Sink(assign.outputBytes ?? 64 * 1024);
  const ready = (status, meta) => {
    connection.check();
    const loadUs = Math.min((now() - started) * 1000, 0xffffffff) >>> 0;
    connection.send(FrameType.ready, status, 0, 0, loadUs, 0, 0, meta, '');
  };
  const failed = (failure, code) => {
    if (!loading) return;
    loading = false;
    ready(Status.startFailed, encodeMeta({ ...failure, stdout: sink.text(0), stderr: sink.text(1) }));
    connection.flush(() => exit(code));
  };
  capture.install();
  capture.sink = sink;
  process.on('SIGUSR2', () => {
    if (runner !== null) runner.giveUp();
    else failed({ message: `loading the code was given up after ${Math.round(now() - started)} ms` }, Exit.timeout);
  });
  process.on('uncaughtException', (error) => {
    if (runner !== null) runner.uncaught(error);
    else failed(describe(error), Exit.startFailed);
  });
  process.on('unhandledRejection', (error) => {
    if (runner !== null) runner.rejected(error);
    else failed(describe(error), Exit.startFailed);
  });
  process.exit = (code) => {
    if (runner !== null) runner.exitCalled(code);
    const message = `the code called process.exit(${code ?? ''}) while it was loaded`;
    failed({ message }, Exit.startFailed);
    throw new MissingEntry(message);
  };
  // Only now: user code that never lets go of the thread while it loads shall not look alive, and the worker's end is noticed while it waits.
  connection.start();
  try {
    const handler = await load(assign.entry, prepare(assign, store));
    if (!loading) return;
    loading = false;
    runner = new Runner(connection, handler, assign, capture, assign.concurrency ?? 1);
    // What was printed while loading belongs to no invocation: it goes to the log.
    capture.sink = null;
    for (const index of [0, 1]) writeAll(index + 1, sink.bytes(index));
    ready(Status.ok, '');
  } catch (error) {
    failed(error instanceof MissingEntry ? { message: error.message } : describe(error), Exit.startFailed);
  }
}

try {
  hello();
  // The machinery behind `require` is itself loaded by its first use.
  createRequire(import.meta.url)('./warm-up.cjs');
  const store = process.env.ILUVATAR_STORE ?? '';
  delete process.env.ILUVATAR_STORE;
  const frame = readFrame(ASSIGN_FD);
  if (frame === null) exit(Exit.end);
  closeSync(ASSIGN_FD);
  if (frame.type !== FrameType.assign) throw new Error(`frame type ${frame.type} instead of ASSIGN`);
  await assigned(JSON.parse(frame.meta), store);
} catch (error) {
  writeAll(2, `iluvatar: the agent failed: ${error.stack}\n`);
  exit(Exit.internal);
}
