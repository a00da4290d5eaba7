import * as z from 'zod';

/** `daemon`: a worker that is a process of its own: in the background without a service manager (`iluvatar worker --daemon`), and its upgrades. */

const ms = z.number().int().min(0);

export const daemonSection = z
  .strictObject({
    pidFile: z
      .string()
      .default('')
      .describe(
        'File with the process id, locked while the worker lives; empty = <dataDir>/worker.pid with --daemon, else none',
      ),
    upgrade: z
      .strictObject({
        drainMs: ms
          .default(30_000)
          .describe(
            'An upgrade waits so long for running invocations to end, while new ones wait for the new process; then it is called off and this process goes on; ms',
          ),
        readyMs: ms
          .default(60_000)
          .describe(
            'A new process that does not stand by, or then serve, within this time is ended, and the old one goes on; ms',
          ),
      })
      .prefault({}),
  })
  .prefault({});
