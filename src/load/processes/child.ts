import { IluvatarError } from '../../core/errors.js';
import { LocalGenerator } from '../generator.js';
import type { LoadTarget } from '../target.js';
import { openTarget } from '../targets/open-target.js';
import type { ChildJob, FromChild, ToChild } from './messages.js';
import { RowBatcher } from './row-batch.js';

/** One of several processes of a generator: sends its share, and gives its rows to the process that records. Ends when that is gone. */

const ROWS_A_MESSAGE = 512;
/** Rows are not kept longer than this: progress shows them, and stop conditions look at them. */
const FLUSH_MS = 200;

let generator: LocalGenerator | null = null;
let target: LoadTarget | null = null;
const batcher = new RowBatcher(ROWS_A_MESSAGE, (batch) =>
  send({ of: 'rows', batch, inFlight: generator?.inFlight ?? 0 }),
);

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

async function prepare({ target: address, maxBodyBytes, work, functions, share, clients }: ChildJob): Promise<void> {
  target = await openTarget(address, { config: { transport: { maxBodyBytes } } });
  generator = new LocalGenerator({ work, functions, target, rows: batcher, share, clients });
  await generator.prepare();
  send({ of: 'ready' });
}

async function go(originUs: number): Promise<void> {
  const flushing = setInterval(() => batcher.flush(), FLUSH_MS);
  try {
    await generator?.run(originUs);
  } finally {
    clearInterval(flushing);
    batcher.flush();
  }
  if (generator !== null) send({ of: 'ended', facts: generator.facts() });
  await leave();
}

async function leave(): Promise<void> {
  await target?.close();
  if (process.connected) process.disconnect();
}

function failed(error: unknown): void {
  const errorClass = error instanceof IluvatarError ? error.errorClass : 'internal';
  send({ of: 'failed', errorClass, message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  leave().catch(() => {});
}

process.on('message', (message: ToChild) => {
  switch (message.of) {
    case 'job':
      prepare(message.job).catch(failed);
      return;
    case 'go':
      go(message.originUs).catch(failed);
      return;
    case 'stop':
      generator?.stop();
      return;
    case 'give-up':
      generator?.giveUp(message.why);
      return;
  }
});
// Nobody takes its rows any longer.
process.on('disconnect', () => process.exit());
// A terminal's Ctrl-C reaches all processes of the group; when these end is for the one that records to say.
process.on('SIGINT', () => {});
