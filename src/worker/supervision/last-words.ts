import type { EndCause } from './watched.js';

/**
 * What a thread still does when it is about to end by itself: after an exception that nobody caught, a rejection that nobody handled, or `process.exit`. It runs inside the
 * event that ends the thread, so that only what is synchronous comes to its end. A thread that hangs, or is ended from outside, has no last words.
 */
export type LastWords = (cause: EndCause, message: string) => void;

/** Returns the function that takes it back, for an end that was asked for. */
export function onThreadEnd(say: LastWords): () => void {
  let said = false;
  const once = (cause: EndCause, message: string): void => {
    if (said) return;
    said = true;
    say(cause, message);
  };
  const thrown = (error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void =>
    once(
      origin === 'unhandledRejection' ? 'rejection' : 'error',
      error instanceof Error ? error.message : String(error),
    );
  const exited = (code: number): void => once('exit', `the thread exited with code ${code}`);
  // The monitor sees the exception and leaves it as deadly as it was.
  process.on('uncaughtExceptionMonitor', thrown);
  process.on('exit', exited);
  return () => {
    process.off('uncaughtExceptionMonitor', thrown);
    process.off('exit', exited);
  };
}
