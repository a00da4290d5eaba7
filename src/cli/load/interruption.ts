import type { Context } from '../context.js';
import { EXIT } from '../exit-codes.js';

/**
 * Runs what can be interrupted: the first SIGINT or SIGTERM aborts `stop`, and what there is shall be written; the second aborts `giveUp`, for what takes too long even then.
 * The exit code says that it was interrupted.
 */
export async function interruptible<Result>(
  context: Context,
  run: (signals: { readonly stop: AbortSignal; readonly giveUp: AbortSignal }) => Promise<Result>,
): Promise<Result> {
  const stop = new AbortController();
  const giveUp = new AbortController();
  const interrupted = (): void => {
    process.exitCode = EXIT.cancelled;
    if (stop.signal.aborted) giveUp.abort();
    else if (!context.json) context.note('interrupted: writing what there is');
    stop.abort();
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  try {
    return await run({ stop: stop.signal, giveUp: giveUp.signal });
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

const PROGRESS_AFTER_MS = 1000;
const PROGRESS_EVERY_MS = 200;

/** A line on a terminal that is written over again and again, once it has become clear that it takes a while. */
export function progressLine({ json }: Context): { show: (text: () => string) => void; clear: () => void } {
  const { stderr } = process;
  let shownAt = performance.now() + PROGRESS_AFTER_MS - PROGRESS_EVERY_MS;
  let shown = false;
  return {
    show: (text) => {
      const now = performance.now();
      if (json || stderr.isTTY !== true || now - shownAt < PROGRESS_EVERY_MS) return;
      shownAt = now;
      shown = true;
      stderr.write(`\r\x1b[K${text()}`);
    },
    clear: () => {
      if (shown) stderr.write('\r\x1b[K');
      shown = false;
    },
  };
}
