import { z } from 'zod';

/** `daemon`: a worker in the background without a service manager (`iluvatar worker --daemon`). */

export const daemonSection = z
  .strictObject({
    pidFile: z
      .string()
      .default('')
      .describe(
        'File with the process id, locked while the worker lives; empty = <dataDir>/worker.pid with --daemon, else none',
      ),
  })
  .prefault({});
