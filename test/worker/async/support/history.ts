import type { AsyncInvocation } from '../../../../src/config/api.js';
import { IluvatarError } from '../../../../src/core/errors.js';
import type { Random } from '../../../../src/core/random.js';
import type { Rig } from './rig.js';

/** What clients were told, and a checker of it against what a worker promises, in the manner of Jepsen: it knows nothing of how the worker works. */

export interface Accepted {
  readonly id: string;
  readonly tid: string;
  readonly client: number;
  readonly name: string;
  readonly key: string | null;
}

const FINAL = new Set(['done', 'failed', 'dead']);

export class History {
  readonly accepted = new Map<string, Accepted>();
  /** Distinct ends that were told, as text; more than one is a broken promise. */
  readonly ends = new Map<string, Set<string>>();
  /** How many runs had begun when an end was first told. */
  readonly toldAfterRuns = new Map<string, number>();
  refused = 0;
  #next = 0;

  /** Invokes, reads, and goes on through every fault, until told otherwise. */
  async client(rig: Rig, client: number, random: Random, over: () => boolean): Promise<void> {
    let mine: string[] = [];
    while (!over()) {
      try {
        if (random() < 0.6 || mine.length === 0) mine.push(await this.#invoke(rig, client, random));
        else {
          const id = mine[Math.floor(random() * mine.length)] as string;
          this.read(await rig.result(id, random() < 0.5 ? 20 : 0), rig.runs.length);
        }
        mine = mine.slice(-50);
      } catch (error) {
        // Refused, or no worker is there: nothing was promised.
        if (error instanceof IluvatarError) this.refused++;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #invoke(rig: Rig, client: number, random: Random): Promise<string> {
    const ordered = random() < 0.2;
    const name = ordered ? 'ordered' : 'plain';
    // Some are sent again with the same key, as a client does that had no answer.
    const keyed = random() < 0.4;
    const tid = keyed ? `${client}-key-${Math.floor(random() * 40)}` : `${client}-${this.#next++}`;
    const dies = keyed ? false : random() < 0.2;
    const key = keyed ? `${name}-${tid}` : null;
    const args = { tid, ...(dies ? { do: 'die' } : {}) };
    const options = { tid: `${name}-${tid}`, ...(key === null ? {} : { idempotencyKey: key }) };
    const id = await rig.invoke(name, args, options);
    this.accepted.set(id, { id, tid: options.tid, client, name, key });
    return id;
  }

  /** `runs`: begun by now. */
  read(invocation: AsyncInvocation, runs: number): void {
    const { id, status, attempts, result, error } = invocation;
    if (!FINAL.has(status)) {
      // An end that was told and is none any more is a second one.
      if (this.ends.has(id)) this.ends.get(id)?.add(status);
      return;
    }
    const ends = this.ends.get(id) ?? new Set();
    ends.add(JSON.stringify({ status, attempts, result, error }));
    if (!this.ends.has(id)) this.toldAfterRuns.set(id, runs);
    this.ends.set(id, ends);
  }

  async readAll(rig: Rig): Promise<void> {
    for (const id of this.accepted.keys()) this.read(await rig.result(id, 0), rig.runs.length);
  }
}

/** Throws with what was broken. `runs`: transaction ids of all that were begun, in order. */
export function check(history: History, runs: readonly string[]): void {
  const lastRun = new Map(runs.map((tid, at) => [tid, at]));
  const byKey = new Map<string, string>();
  for (const { id, tid, key } of history.accepted.values()) {
    const ends = history.ends.get(id);
    if (ends === undefined) throw new Error(`${id} was accepted and has no end`);
    if (ends.size > 1) throw new Error(`${id} has two ends: ${[...ends].join(' and ')}`);
    const last = lastRun.get(tid);
    if (last === undefined) throw new Error(`${id} has an end and was never run`);
    if (last >= (history.toldAfterRuns.get(id) as number))
      throw new Error(`${id} was run again after its end was told`);
    if (key === null) continue;
    const other = byKey.get(key);
    if (other !== undefined && other !== id) throw new Error(`${id} and ${other} have the same key ${key}`);
    byKey.set(key, id);
  }
}
