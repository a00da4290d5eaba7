import { afterAll, beforeAll, describe } from 'vitest';
import { containerdBackend } from '../../src/backends/containerd/backend.js';
import { dockerBackend } from '../../src/backends/docker/backend.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { OLD_AGENT_REQUIREMENTS } from '../support/old-agent-image.js';
import { describeWith } from '../support/requirement.js';
import { describeOldAgents, withNetworks } from './old-agents.js';
import { startBackend, startProcessBackend } from './support/harness.js';
import { removeTemporaryFolders } from './support/temporary.js';

const MACHINE = { root: true, cgroups: true };
const { command, file } = OLD_AGENT_REQUIREMENTS;

describeWith({ ...MACHINE, command: 'python3' }, 'with real processes', () => {
  afterAll(removeTemporaryFolders);
  describeOldAgents('process', () => startProcessBackend({}, { adapt: withNetworks }), ['images']);
});

describeWith({ ...MACHINE, command: ['containerd', 'runc', 'ctr', command], file }, 'with a containerd', () => {
  let daemon: ContainerdDaemon;
  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
  });
  afterAll(async () => {
    await daemon?.close();
    removeTemporaryFolders();
  });
  describe.each(['iluvatar', 'io.containerd.runc.v2'])('with the runtime %s', (runtime) => {
    const start = () => {
      const containerd = { enabled: true, address: daemon.address, runtime };
      return startBackend({ backends: { containerd } }, false, (parts) => containerdBackend(withNetworks(parts)));
    };
    describeOldAgents('containerd', start, []);
  });
});

describeWith({ ...MACHINE, command: ['dockerd', 'containerd', 'runc', command], file }, 'with a Docker', () => {
  let daemon: DockerDaemon;
  beforeAll(async () => {
    daemon = await DockerDaemon.start();
  });
  afterAll(async () => {
    await daemon?.close();
    removeTemporaryFolders();
  });
  const start = () => {
    const docker = { enabled: true, socket: daemon.socket };
    return startBackend({ backends: { docker } }, false, (parts) => dockerBackend(withNetworks(parts)));
  };
  describeOldAgents('docker', start, []);
});
