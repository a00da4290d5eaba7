import { RestartBackOff } from '../../core/restart-back-off.js';
import { findProgram } from './find-program.js';
import { type ChildWithUs, killGroup, spawnWithUs } from './spawn-with-us.js';

/**
 * A program that writes lines for as long as it runs, such as `tegrastats` or `perf stat -I`: started again with a pause when it ends, killed and started again when it says nothing for too long, ended by
 * `stop` with all that it started, and gone when we are.
 *
 * It never throws after `start`: how it is, is in its properties.
 */
export interface LineChildOptions {
  /** A name on PATH, or a path. */
  readonly program: string;
  readonly args: readonly string[];
  /** Which of its outputs `output` gets. Of the other one the end is kept for `failure`; if nothing came there, of this one. */
  readonly from?: 'stdout' | 'stderr';
  readonly env?: NodeJS.ProcessEnv;
  /** Nothing written for so long = it hangs; ms. The first output may take three times as long. */
  readonly stallMs: number;
  readonly restart?: { readonly firstMs: number; readonly longestMs: number; readonly settledMs: number };
  /** A new process begins: what the one before left unfinished will not be finished. */
  started?(pid: number): void;
  /** `atUs`: `performance.now()` when it was received, µs. */
  output(chunk: Buffer, atUs: number): void;
  /** It ended, hung, or could not be started, and is started again after the pause. */
  failed?(failure: LineChildFailure, pauseMs: number): void;
}

export interface LineChildFailure {
  readonly cause: 'missing' | 'forbidden' | 'ended' | 'stalled' | 'condemned';
  /** For people, with the end of what it said. */
  readonly message: string;
}

export type LineChildState = 'stopped' | 'running' | 'pausing' | 'stopping';

const RESTART = { firstMs: 500, longestMs: 60_000, settledMs: 60_000 };
const STOP_LIMIT_MS = 2000;
const TAIL_CHARACTERS = 2048;

export class LineChild {
  /** Processes started, and those killed because they hung. */
  starts = 0;
  stalls = 0;
  /** The latest; stays when it has been started again. */
  failure: LineChildFailure | null = null;
  /** `performance.now()` of the last output, µs; 0 = there was none. */
  lastOutputUs = 0;
  #state: LineChildState = 'stopped';
  readonly #options: LineChildOptions;
  readonly #backOff: RestartBackOff;
  #child: ChildWithUs | null = null;
  #tail = '';
  #lastOutput: Buffer = Buffer.alloc(0);
  #stalled = false;
  #condemned: string | null = null;
  #stallTimer: NodeJS.Timeout | null = null;
  #restartTimer: NodeJS.Timeout | null = null;
  #heard: (() => void)[] = [];
  #ended: (() => void)[] = [];

  constructor(options: LineChildOptions) {
    this.#options = options;
    this.#backOff = new RestartBackOff({ ...(options.restart ?? RESTART), limit: 0, windowMs: 0 });
  }

  get state(): LineChildState {
    return this.#state;
  }

  /** Of the running process; 0 = there is none. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  start(): void {
    if (this.#state === 'stopped') this.#launch();
  }

  /** What it writes is of no use, for this reason: it is killed, and started again like any other that failed. */
  condemn(why: string): void {
    if (this.#state !== 'running' || this.#child === null || this.#condemned !== null) return;
    this.#condemned = why;
    killGroup(this.#child, 'SIGKILL');
  }

  /** Resolves at the next output (true), or the next failure, or after `withinMs` (false). */
  heard(withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const before = this.lastOutputUs;
      const settle = (): void => {
        clearTimeout(timer);
        resolve(this.lastOutputUs > before);
      };
      const timer = setTimeout(settle, withinMs);
      this.#heard.push(settle);
    });
  }

  /** Resolves when its process has ended: asked first, then killed. Idempotent. */
  async stop(): Promise<void> {
    this.#clearTimers();
    const child = this.#child;
    if (child === null) {
      this.#state = 'stopped';
      this.#wake();
      return;
    }
    const ended = new Promise<void>((resolve) => this.#ended.push(resolve));
    if (this.#state !== 'stopping') {
      this.#state = 'stopping';
      killGroup(child, 'SIGTERM');
      let timer = setTimeout(() => {
        killGroup(child, 'SIGKILL');
        // One that waits inside a driver cannot be killed, nor one that runs as another user: whoever stops does not wait for it.
        timer = setTimeout(() => this.#letGo(child), STOP_LIMIT_MS);
      }, STOP_LIMIT_MS);
      this.#ended.push(() => clearTimeout(timer));
    }
    await ended;
  }

  #launch(): void {
    const { program, args, env = process.env, from = 'stdout' } = this.#options;
    const found = findProgram(program);
    if ('lacks' in found) {
      const what = found.lacks === 'missing' ? 'there is no program' : 'this user may not execute';
      this.#fail({ cause: found.lacks, message: `${what} ${program}` });
      return;
    }
    this.starts++;
    this.#tail = '';
    this.#lastOutput = Buffer.alloc(0);
    this.#stalled = false;
    this.#condemned = null;
    this.#state = 'running';
    this.#backOff.started(performance.now());
    const child = spawnWithUs(found.file, args, env);
    this.#child = child;
    const lines = from === 'stdout' ? child.stdout : child.stderr;
    const other = from === 'stdout' ? child.stderr : child.stdout;
    lines.on('data', (chunk: Buffer) => this.#take(child, chunk));
    other.on('data', (chunk: Buffer) => this.#keep(chunk));
    let spawnError: Error | null = null;
    child.on('error', (error) => {
      spawnError = error;
      // Without a process there is no 'close'.
      if (child.pid === undefined) this.#end(child, error.message);
    });
    child.on('exit', () => {
      // What it left in its session holds its output open, and 'close' would not come; nor would it while something holds it that has a session of its own.
      killGroup(child, 'SIGKILL');
      setTimeout(() => this.#letGo(child), STOP_LIMIT_MS).unref();
    });
    child.on('close', (code, signal) =>
      this.#end(
        child,
        spawnError?.message ?? (signal === null ? `it ended with code ${code}` : `it was killed by ${signal}`),
      ),
    );
    this.#watch(3 * this.#options.stallMs);
    if (child.pid !== undefined) this.#options.started?.(child.pid);
  }

  /** Its output is read no more, and nothing waits for its end. */
  #letGo(child: ChildWithUs): void {
    if (child !== this.#child) return;
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
    this.#end(child, 'it has ended, or cannot be ended');
  }

  #take(child: ChildWithUs, chunk: Buffer): void {
    if (this.#state !== 'running' || child !== this.#child || this.#condemned !== null) return;
    const atUs = performance.now() * 1000;
    this.lastOutputUs = atUs;
    this.#watch(this.#options.stallMs);
    this.#lastOutput = chunk;
    this.#options.output(chunk, atUs);
    this.#wake();
  }

  #keep(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString('utf8')).slice(-TAIL_CHARACTERS);
  }

  #watch(limitMs: number): void {
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer);
    this.#stallTimer = setTimeout(() => {
      this.stalls++;
      this.#stalled = true;
      if (this.#child !== null) killGroup(this.#child, 'SIGKILL');
    }, limitMs);
    // A monitor is no reason for a process to stay.
    this.#stallTimer.unref();
  }

  #end(child: ChildWithUs, why: string): void {
    if (child !== this.#child) return;
    this.#child = null;
    this.#clearTimers();
    if (this.#state === 'stopping') {
      this.#state = 'stopped';
      for (const ended of this.#ended.splice(0)) ended();
      this.#wake();
      return;
    }
    const { program, stallMs } = this.#options;
    const said = this.#tail.trim() || this.#lastOutput.subarray(-TAIL_CHARACTERS).toString('utf8').trim();
    const tail = said === '' ? '' : `: ${said}`;
    if (this.#condemned !== null) this.#fail({ cause: 'condemned', message: `${program}: ${this.#condemned}${tail}` });
    else if (this.#stalled)
      this.#fail({ cause: 'stalled', message: `${program} said nothing for ${stallMs} ms${tail}` });
    else this.#fail({ cause: 'ended', message: `${program}: ${why}${tail}` });
  }

  #fail(failure: LineChildFailure): void {
    this.failure = failure;
    this.#state = 'pausing';
    const pauseMs = this.#backOff.failed(performance.now());
    this.#restartTimer = setTimeout(() => this.#launch(), pauseMs);
    this.#restartTimer.unref();
    this.#options.failed?.(failure, pauseMs);
    this.#wake();
  }

  #clearTimers(): void {
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer);
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
    this.#stallTimer = null;
    this.#restartTimer = null;
  }

  #wake(): void {
    for (const heard of this.#heard.splice(0)) heard();
  }
}
