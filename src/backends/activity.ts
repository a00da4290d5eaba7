/**
 * Something of a backend that goes on in the background: a stream of events, the filling of a pool. Whoever watches over the worker is told when it fails and when it is well
 * again; it logs, counts and shows that. Not promised: that it does anything about it. The activity itself goes on.
 */
export interface Activity {
  running(): void;
  failed(cause: 'error' | 'lost', reason: string): void;
}

/** `name` is shown to people and in metrics. */
export type WatchActivity = (name: string) => Activity;

/** Where nobody watches: its failures are in the log. */
export function loggedActivity(log: { warn(fields: Record<string, unknown>, message: string): void }): WatchActivity {
  return (name) => ({
    running: () => {},
    failed: (cause, reason) => log.warn({ task: name, cause, reason }, 'a background task failed'),
  });
}
