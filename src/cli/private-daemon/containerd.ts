import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContainerdClient } from '../../backends/containerd/client.js';
import { answering, end, spawnDaemon } from './daemon-process.js';

/** A containerd of one's own in a folder: root, state and sockets are in there, and it takes no part in the machine's. Whose folder it is takes away what it leaves. */

const REACH_LIMIT_MS = 1_000;
/** What needs more than a folder, or touches the machine. */
const DISABLED = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.internal.v1.opt',
  ...['aufs', 'btrfs', 'devmapper', 'zfs'].map((name) => `io.containerd.snapshotter.v1.${name}`),
];

export class PrivateContainerd {
  readonly folder: string;
  readonly address: string;
  #process: ChildProcess | null = null;

  constructor(folder: string) {
    this.folder = folder;
    this.address = join(folder, 'containerd.sock');
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Also after `stop`: what was there is there again. Rejects with an Error that has the end of its log. */
  async start(): Promise<void> {
    const { folder, address } = this;
    mkdirSync(folder, { recursive: true });
    const config = join(folder, 'config.toml');
    const lines = [
      'version = 2',
      `root = "${folder}/root"`,
      `state = "${folder}/state"`,
      `disabled_plugins = [${DISABLED.map((name) => `"${name}"`).join(', ')}]`,
      `[grpc]\n  address = "${address}"`,
      `[ttrpc]\n  address = "${folder}/ttrpc.sock"`,
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    this.#process = spawnDaemon('containerd', ['--config', config], folder);
    await answering(this.#process, folder, () => answers(address));
  }

  /** The daemon alone: containers go on. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await end(this.#process, signal);
    this.#process = null;
  }
}

async function answers(address: string): Promise<boolean> {
  const client = new ContainerdClient({ address, namespace: 'default' });
  try {
    await client.reach(REACH_LIMIT_MS);
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}
