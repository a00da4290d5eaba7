import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../client/client.js';
import { IluvatarError } from '../core/errors.js';
import { action, type CommandHost } from './command-host.js';
import { parseDuration } from './parse.js';

/** `iluvatar upgrade`: a worker's process is replaced by a new one, which takes over what it has. */

interface Options {
  drain?: string;
}

const POLL_MS = 50;

export function addUpgradeCommand(host: CommandHost): void {
  host
    .add('upgrade', 'replace the process of a running worker, which keeps its containers and clients', [
      'upgrade                      # after the package, or an option that needs a restart, has changed',
      'upgrade --drain 2m --json',
    ])
    .option(
      '--drain <duration>',
      'how long running invocations may take to end, while new ones wait; daemon.upgrade.drainMs unless given',
    )
    .action(
      action(async (context, options: Options) => {
        const drainMs = options.drain === undefined ? undefined : parseDuration(options.drain);
        const upgraded = await context.withClient((client) => upgrade(client, drainMs, (line) => context.note(line)));
        context.print(upgraded, ({ pid, before, adopted }) => {
          const containers = adopted === 1 ? '1 container is' : `${adopted} containers are`;
          return `process ${pid} serves in the place of ${before}; ${containers} still warm\n`;
        });
      }),
    );
}

interface Upgraded {
  pid: number;
  before: number;
  /** Containers that the new process has taken over by now. */
  adopted: number;
}

async function upgrade(client: Client, drainMs: number | undefined, note: (line: string) => void): Promise<Upgraded> {
  const { pid: before } = await client.ping();
  const { pid } = await client.upgrade(drainMs);
  note(`process ${pid} stands by; what runs is finished, and what is new waits for it`);
  // Asked on one connection, which is handed over with the others: the answer comes from whoever serves.
  for (;;) {
    const now = await client.upgradeState();
    if (now.pid === pid) break;
    if (now.state !== 'under way') {
      throw new IluvatarError('unavailable', `process ${before} goes on: ${now.reason ?? 'it does not say why'}`);
    }
    await sleep(POLL_MS);
  }
  return { pid, before, adopted: (await client.status()).counters['containersAdopted'] ?? 0 };
}
