/**
 * Runs invocations: arguments in, the user's function, result out; every way in which that can fail has an answer here.
 *
 * What goes wrong outside the call itself: an exception thrown by a callback, or a rejection nobody handles, is the error of the invocation
 * that runs, if exactly one does; the container lives on. With none or several running, an exception ends the process (exit code 70, class `crashed`)
 * and a rejection is logged.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import buffer from 'node:buffer';
import { Sink } from './capture.mjs';
import { describe } from './failure.mjs';
import { tell } from './trace.mjs';
import { Exit, FrameType, Status, writeAll } from './wire.mjs';

const OUTPUT_CUT = 4;
const META_LIMIT = 1024 * 1024;
const NOTHING = '';
const { parse, stringify } = JSON;
const { byteLength } = Buffer;
const { isUtf8 } = buffer;
const { entries, fromEntries, keys } = Object;
const { round, min } = Math;
const exit = process.reallyExit.bind(process);
const now = performance.now.bind(performance);

/** Thrown in place of ending the process, so that one invocation ends and the container lives on. */
class ExitCall extends Error {}

export class Runner {
  #connection;
  #handler;
  #maxBody;
  #outputBytes;
  #capture;
  #running = new Map();
  /** The only sink, while invocations run one at a time. */
  #sink;
  #storage = null;
  /** The environment has something of a trace. */
  #told = false;

  /** `concurrency`: how many invocations the worker may send before it has an answer. */
  constructor(connection, handler, assign, capture, concurrency) {
    this.#connection = connection;
    this.#handler = handler;
    this.#maxBody = assign.maxBody ?? 64 * 1024 * 1024;
    this.#outputBytes = assign.outputBytes ?? 64 * 1024;
    this.#capture = capture;
    this.#sink = new Sink(this.#outputBytes);
    // Costs each promise a little, so only where it is needed.
    if (concurrency > 1) this.#storage = capture.storage = new AsyncLocalStorage();
  }

  /** Answers one INVOKE. `body` is used only during the call; `meta` says which trace it is part of, '' = none. */
  run(requestId, timeoutMs, body, meta) {
    if (this.#storage === null && (meta !== '' || this.#told)) this.#told = tell(meta);
    const invocation = {
      requestId,
      timeoutMs,
      started: now(),
      sink: this.#storage === null ? this.#sink : new Sink(this.#outputBytes),
      exit: null,
    };
    this.#running.set(requestId, invocation);
    let value = {};
    if (body.length !== 0) {
      try {
        const text = body.utf8Slice(0, body.length);
        if (text.includes('\ufffd') && !isUtf8(body)) throw new SyntaxError('they are not UTF-8');
        value = parse(text);
      } catch (error) {
        const message = `the arguments are not valid JSON: ${describe(error).message}`;
        this.#reply(invocation, Status.invalid, { message }, NOTHING);
        return;
      }
    }
    if (this.#storage === null) {
      this.#capture.sink = invocation.sink;
      this.#call(invocation, value);
    } else {
      this.#storage.run(invocation, () => this.#call(invocation, value));
    }
  }

  #call(invocation, value) {
    try {
      const result = this.#handler(value);
      if (typeof result === 'object' && result !== null && typeof result.then === 'function') {
        result.then(
          (settled) => this.#completed(invocation, settled),
          (error) => this.#failed(invocation, error),
        );
        return;
      }
      this.#completed(invocation, result);
    } catch (error) {
      this.#failed(invocation, error);
    }
  }

  #completed(invocation, result) {
    // User code that catches everything may have caught our ExitCall: it did ask for the end all the same.
    if (invocation.exit !== null) {
      this.#failed(invocation, invocation.exit);
      return;
    }
    let body = 'null';
    if (result !== undefined) {
      try {
        body = stringify(result);
        if (body === undefined) throw new TypeError(`a ${typeof result} is not JSON`);
      } catch (error) {
        const { message } = describe(error);
        this.#reply(invocation, Status.userError, { message: `the result cannot be serialised: ${message}` }, NOTHING);
        return;
      }
    }
    // No character takes more than three bytes, so most results need no counting here.
    const bytes = body.length * 3 > this.#maxBody ? byteLength(body) : 0;
    if (bytes > this.#maxBody) {
      const message = `the result has ${bytes} bytes; at most ${this.#maxBody} are allowed`;
      this.#reply(invocation, Status.tooLarge, { message }, NOTHING);
      return;
    }
    this.#reply(invocation, Status.ok, null, body);
  }

  #failed(invocation, error) {
    const failure = describe(error);
    if (error instanceof ExitCall) failure.message = error.message;
    this.#reply(invocation, Status.userError, failure, NOTHING);
  }

  #reply(invocation, status, fields, body) {
    // Answered already: by a time-out, or by an exception thrown beside it.
    if (this.#running.get(invocation.requestId) !== invocation) return;
    this.#running.delete(invocation.requestId);
    this.#capture.sink = null;
    const { sink } = invocation;
    let meta = NOTHING;
    let flags = 0;
    if (sink.used || fields !== null) {
      meta = encodeMeta({ ...fields, stdout: sink.text(0), stderr: sink.text(1) });
      flags = sink.cut ? OUTPUT_CUT : 0;
      sink.clear();
    }
    const runUs = min((now() - invocation.started) * 1000, 0xffffffff) >>> 0;
    this.#connection.check();
    this.#connection.send(FrameType.result, status, flags, invocation.requestId, 0, 0, runUs, meta, body);
  }

  /** What process.exit does from now on. */
  exitCalled(code) {
    const shown = code === undefined ? '' : String(code);
    const error = new ExitCall(`the function called process.exit(${shown})`);
    const invocation = this.#storage === null ? this.#only() : (this.#storage.getStore() ?? this.#only());
    if (invocation === null) exit(Number(code ?? process.exitCode ?? 0));
    else invocation.exit = error;
    throw error;
  }

  /** An exception out of a callback. */
  uncaught(error) {
    const invocation = this.#only();
    if (invocation !== null) {
      this.#failed(invocation, error);
      return;
    }
    const { message, traceback } = describe(error);
    writeAll(2, `uncaught exception outside of an invocation: ${traceback || message}\n`);
    exit(Exit.internal);
  }

  rejected(error) {
    const invocation = this.#only();
    if (invocation !== null) {
      this.#failed(invocation, error);
      return;
    }
    const { message, traceback } = describe(error);
    writeAll(2, `unhandled rejection outside of an invocation: ${traceback || message}\n`);
  }

  /**
   * The worker gave an invocation up, and will end this process: each that still runs gets its answer. Only reached when user code lets the
   * event loop turn; a busy loop is left to SIGKILL.
   */
  giveUp() {
    for (const invocation of [...this.#running.values()]) {
      const elapsed = now() - invocation.started;
      // A timer fires late, never early; half a per cent covers the way to us.
      if (invocation.timeoutMs === 0 || elapsed >= invocation.timeoutMs * 0.995 - 2) {
        const message = `timed out after ${round(elapsed)} ms, while waiting for something asynchronous`;
        this.#reply(invocation, Status.timeout, { message }, NOTHING);
      } else {
        const message = 'the container was stopped because another of its invocations timed out';
        this.#reply(invocation, Status.unavailable, { message }, NOTHING);
      }
    }
    this.#connection.flush(() => exit(Exit.timeout));
  }

  #only() {
    return this.#running.size === 1 ? this.#running.values().next().value : null;
  }
}

/** The meta of a frame, without what is empty. Always within its limit: long texts give way. */
export function encodeMeta(fields) {
  const kept = fromEntries(entries(fields).filter(([, text]) => text !== ''));
  let meta = stringify(kept);
  while (byteLength(meta) > META_LIMIT) {
    const longest = keys(kept).reduce((a, b) => (kept[a].length >= kept[b].length ? a : b));
    kept[longest] = kept[longest].slice(0, kept[longest].length / 2);
    meta = stringify(kept);
  }
  return meta;
}
