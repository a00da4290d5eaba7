import { type ChildProcess, fork } from 'node:child_process';
import { IluvatarError } from '../../core/errors.js';
import { threadFile } from '../../worker/thread-file.js';
import type { RowTaker } from '../drivers/calls.js';
import type { Generator } from '../generator.js';
import type { HealthFacts } from '../generator-health.js';
import { RunClock } from '../run-clock.js';
import type { ChildJob, FromChild, ToChild } from './messages.js';
import { unpackRows } from './row-batch.js';

interface Child {
  readonly process: ChildProcess;
  ready: boolean;
  ended: boolean;
  inFlight: number;
  facts: HealthFacts | null;
}

/** Sends from several processes, each with its share of arrivals or clients; what is sent, and when, is the same as from one. */
export class ProcessGenerator implements Generator {
  readonly clock = new RunClock();
  readonly #job: Omit<ChildJob, 'share'>;
  readonly #processes: number;
  readonly #rows: RowTaker;
  readonly #children: Child[] = [];
  #changed: (() => void) | null = null;
  #failure: IluvatarError | null = null;
  #stopped = false;

  constructor(job: Omit<ChildJob, 'share'>, processes: number, rows: RowTaker) {
    this.#job = job;
    this.#processes = processes;
    this.#rows = rows;
  }

  get inFlight(): number {
    return this.#children.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  async prepare(): Promise<void> {
    const { filename, execArgv } = threadFile('load/processes/child');
    try {
      for (let index = 0; index < this.#processes; index++) this.#fork(filename, execArgv, index);
      await this.#until(({ ready }) => ready);
    } catch (error) {
      await this.#leave();
      throw error;
    }
  }

  async run(originUs: number): Promise<void> {
    try {
      if (this.#stopped) return;
      this.clock.begin(originUs);
      this.#tell({ of: 'go', originUs });
      await this.#until(({ ended }) => ended);
    } finally {
      await this.#leave();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#tell({ of: 'stop' });
    this.#changed?.();
  }

  giveUp(why: string): void {
    this.stop();
    this.#tell({ of: 'give-up', why });
  }

  /** The busiest of them; what was held back, by all. */
  facts(): HealthFacts {
    const all = this.#children.map(({ facts }) => facts).filter((facts) => facts !== null);
    return {
      eventLoopUtilisation: Math.max(0, ...all.map((facts) => facts.eventLoopUtilisation)),
      heldBack: all.reduce((sum, { heldBack }) => sum + heldBack, 0),
    };
  }

  #fork(filename: string, execArgv: string[], index: number): void {
    const forked = fork(filename, {
      execArgv,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const child: Child = { process: forked, ready: false, ended: false, inFlight: 0, facts: null };
    this.#children.push(child);
    forked.on('message', (message: FromChild) => this.#heard(child, message));
    forked.on('error', (error) => this.#fail(new IluvatarError('internal', `a load process: ${error.message}`)));
    forked.on('exit', (code, signal) => {
      if (!child.ended) this.#fail(new IluvatarError('internal', `a load process ended early (${signal ?? code})`));
    });
    const job: ChildJob = { ...this.#job, share: { index, of: this.#processes } };
    forked.send({ of: 'job', job } satisfies ToChild);
  }

  #heard(child: Child, message: FromChild): void {
    switch (message.of) {
      case 'ready':
        child.ready = true;
        break;
      case 'rows':
        child.inFlight = message.inFlight;
        unpackRows(message.batch, this.#rows);
        return;
      case 'ended':
        child.ended = true;
        child.inFlight = 0;
        child.facts = message.facts;
        break;
      case 'failed':
        this.#fail(new IluvatarError(message.errorClass, message.message));
        return;
    }
    this.#changed?.();
  }

  #fail(error: IluvatarError): void {
    this.#failure ??= error;
    this.#changed?.();
  }

  async #leave(): Promise<void> {
    await Promise.all(this.#children.map(({ process }) => leave(process)));
  }

  async #until(reached: (child: Child) => boolean): Promise<void> {
    while (!this.#children.every(reached)) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#stopped && this.clock.originUs === null) return;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  #tell(message: ToChild): void {
    for (const { process } of this.#children) if (process.connected) process.send(message);
  }
}

/** Without its channel a child ends by itself; one that does not is ended. */
async function leave(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), LEAVE_MS);
  await gone;
  clearTimeout(timer);
}

const LEAVE_MS = 2000;
