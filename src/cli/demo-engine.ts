import type { WorkerConfig, WorkerConfigInput } from '../config/schema.js';
import { type Probe, probeContainerd, probeDocker } from './engine-probe.js';
import { PrivateContainerd } from './private-daemon/containerd.js';
import { DaemonFolder } from './private-daemon/daemon-folder.js';
import { PrivateDocker } from './private-daemon/docker.js';

/**
 * What runs the containers of a demonstration: the engine that answers where the configuration says, else a private one that ends with the demonstration.
 */
export interface DemoEngine {
  /** For people. */
  readonly description: string;
  readonly backends: NonNullable<WorkerConfigInput['backends']>;
  /** A private daemon is ended and leaves nothing; any other is left as it was. */
  close(): Promise<void>;
  /** The same, synchronously and without asking: for a process that exits at once. */
  closeAtOnce(): void;
}

export const DEMO_BACKENDS = ['process', 'containerd', 'docker'] as const;
export type DemoBackend = (typeof DEMO_BACKENDS)[number];

const HOST_ENGINE = { close: async () => {}, closeAtOnce: () => {} };
const TITLES = { containerd: 'containerd', docker: 'Docker' } as const;

/** `install` brings the programs that are missing; it is asked only where no engine answers. Rejects with an Error that says what is to be done. */
export async function demoEngine(
  backend: DemoBackend,
  configured: WorkerConfig['backends'],
  install: () => Promise<void>,
): Promise<DemoEngine> {
  if (backend === 'process') {
    return { ...HOST_ENGINE, description: "the worker's own containers (backend process)", backends: {} };
  }
  const probe = (): Promise<Probe<unknown>> =>
    backend === 'containerd' ? probeContainerd(configured) : probeDocker(configured);
  let found = await probe();
  if (!found.here) {
    await install();
    // Packages of an engine start it, on most machines.
    found = await probe();
  }
  if (!found.here) return await privateEngine(backend, found);
  const description = `${TITLES[backend]} ${found.version} of this machine, at ${found.socket}`;
  return { ...HOST_ENGINE, description, backends: enabled(backend, found.socket) };
}

async function privateEngine(
  backend: 'containerd' | 'docker',
  { socket, reason }: { socket: string; reason: string },
): Promise<DemoEngine> {
  const title = TITLES[backend];
  if (process.getuid?.() !== 0) {
    throw new Error(
      `no ${title} can be used at ${socket} (${reason}), and only root may start one for the demonstration`,
    );
  }
  const folder = new DaemonFolder(backend);
  const daemon = backend === 'containerd' ? new PrivateContainerd(folder.path) : new PrivateDocker(folder.path);
  const close = async (): Promise<void> => {
    await (daemon instanceof PrivateDocker ? daemon.stopAll() : daemon.stop());
    folder.remove();
  };
  try {
    await daemon.start();
  } catch (error) {
    await close();
    throw error;
  }
  const address = daemon instanceof PrivateDocker ? daemon.socket : daemon.address;
  const description = `a ${title} for this demonstration alone, at ${address}, since none answers at ${socket} (${reason})`;
  return { description, backends: enabled(backend, address), close, closeAtOnce: () => folder.remove() };
}

/** That backend and no other. */
function enabled(backend: 'containerd' | 'docker', socket: string): DemoEngine['backends'] {
  const process = { enabled: false };
  if (backend === 'docker') return { process, docker: { enabled: true, socket } };
  return { process, containerd: { enabled: true, address: socket } };
}
