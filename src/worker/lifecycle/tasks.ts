import { threadId, workerData } from 'node:worker_threads';
import { lifecycleTasks } from '../../backends/lifecycle-tasks.js';
import { within } from '../../backends/within.js';
import { IluvatarError } from '../../core/errors.js';
import { type TaskAnswer, toAnswer } from './answer.js';
import { ThreadSlot } from './thread-slots.js';

/**
 * What a life-cycle thread runs: one exported function, told by name what to do. Errors come back as data, because an error that
 * crosses threads keeps its message but loses its class.
 */
export interface TaskCall {
  readonly name: keyof typeof lifecycleTasks;
  readonly request: unknown;
  /** Longest time that it may take; ms. */
  readonly budgetMs: number;
  /** One word, not 0 once the thread has begun: until then the task may be given to another. */
  readonly begun: SharedArrayBuffer;
}

export interface TaskEnd {
  readonly answer: TaskAnswer;
  /** It took longer than it may and goes on, unwatched: the thread is not to be used any more. Else null. */
  readonly overran: number | null;
}

const BEAT_MS = 1000;

let slot: ThreadSlot | null = null;
let running = 0;
let beating: NodeJS.Timeout | null = null;

export async function runTask({ name, request, budgetMs, begun: marker }: TaskCall): Promise<TaskEnd> {
  const task = lifecycleTasks[name] as (request: unknown) => unknown;
  Atomics.store(new Int32Array(marker), 0, 1);
  begun();
  try {
    const answer = toAnswer(async () => task(request));
    if (await within(answer, budgetMs)) return { answer: await answer, overran: null };
    return { answer: await toAnswer(() => Promise.reject(overrun(name, budgetMs))), overran: threadId };
  } finally {
    ended();
  }
}

export function overrun(name: string, budgetMs: number): IluvatarError {
  return new IluvatarError('unavailable', `${name} did not end within ${budgetMs} ms; its thread is replaced`);
}

/** Beats only while there is something to do: an idle thread sleeps, and nobody asks it for a sign. */
function begun(): void {
  slot ??= new ThreadSlot(memoryOf(workerData), threadId);
  if (running++ > 0) {
    slot.begun();
    return;
  }
  // First the beat: while it had nothing to do it showed none, and must not look hung from its first moment.
  slot.beat();
  slot.begun();
  beating = setInterval(() => slot?.beat(), BEAT_MS);
}

function ended(): void {
  slot?.ended();
  if (--running > 0 || beating === null) return;
  clearInterval(beating);
  beating = null;
}

function memoryOf(data: unknown): SharedArrayBuffer {
  return (data as { slots: SharedArrayBuffer }).slots;
}
