import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DockerImage } from '../../src/backends/docker/images.js';
import { type DockerLease, DockerNetworks } from '../../src/backends/docker/networks.js';
import type { ContainerPlan } from '../../src/backends/oci/engine.js';
import { workerConfigSchema } from '../../src/config/schema.js';
import { BridgeAddresses } from '../../src/net/bridge-addresses.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { DOCKER, EngineHarness, type TestImage, testImage } from './harness.js';

/** Addresses of their own for Docker's containers, on bridges that fill up. */

describeWith(DOCKER, 'network "bridge" with Docker', () => {
  let daemon: DockerDaemon;
  let harness: EngineHarness;
  let images: TestImage;
  let image: DockerImage;
  let networks: DockerNetworks;
  const lanes = Math.floor(Math.random() * 200);

  beforeAll(async () => {
    images = testImage();
    daemon = await DockerDaemon.start();
    const { network } = workerConfigSchema.parse({
      network: { range: `10.88.${lanes}.0/24`, bridges: 2, portsPerBridge: 2 },
    });
    harness = new EngineHarness(daemon.socket, (client, scope) => {
      networks = new DockerNetworks({ client, scope, addresses: new BridgeAddresses(network), connected: false });
      return networks;
    });
    await harness.start();
    image = await harness.engine.importImage(await images.named('iluvatar.local/network:1'), () => {});
  });

  afterAll(async () => {
    await harness?.close();
    await daemon?.close();
    images?.remove();
  });

  const take = (): Promise<DockerLease> =>
    new Promise((resolve, reject) => {
      networks.bridged.take((lease, failure) => (lease === null ? reject(failure) : resolve(lease)));
    });

  async function served(text: string): Promise<{ lease: DockerLease; plan: ContainerPlan<DockerImage> }> {
    const lease = await take();
    const plan = await harness.run(image, ['serve', text], {
      definition: { network: 'bridge' },
      network: { name: lease.name, path: '', address: lease.address },
    });
    return { lease, plan };
  }

  function said(host: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const socket = connect({ host, port: 8080 });
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
  }

  it('gives each container the address that was chosen for it, and opens the next bridge for the third', async () => {
    await networks.open();
    const all = [await served('one'), await served('two'), await served('three')];
    expect(all.map(({ lease }) => lease.allocation.bridge)).toEqual([0, 0, 1]);
    for (const [i, text] of ['one', 'two', 'three'].entries()) {
      await expect.poll(() => said(all[i]?.lease.address as string).catch(() => '')).toBe(text);
    }
    expect(networks.counters()).toEqual({ networkBridges: 2, networksInUse: 3 });
    const fourth = await take();
    await expect(take()).rejects.toMatchObject({ errorClass: 'overloaded', transient: true });
    // Beside the first on its bridge, and not reached by it; the host is.
    const neighbour = all[1]?.lease.address as string;
    const { lease, plan } = all[0] as (typeof all)[0];
    await harness.remove(plan);
    networks.bridged.give(lease);
    const again = await take();
    const attempt = await harness.run(image, ['connect', neighbour], {
      definition: { network: 'bridge' },
      network: { name: again.name, path: '', address: again.address },
    });
    await harness.events.exit(attempt.name);
    expect(harness.events.outputOf(attempt.name).stdout).not.toBe('connect 0\n');
    await harness.remove(attempt);
    for (const each of [fourth, again]) networks.bridged.give(each);
    for (const { lease: held, plan: running } of all.slice(1)) {
      await harness.remove(running);
      networks.bridged.give(held);
    }
  });

  it('removes its networks, and those of an earlier life', async () => {
    const links = async (): Promise<string[]> => {
      const all = await harness.client.call<{ Name: string }[]>('GET', '/networks');
      return all.map(({ Name }) => Name).filter((name) => name.startsWith('iluvatar-'));
    };
    expect((await links()).length).toBe(2);
    await networks.stop();
    expect(await links()).toEqual([]);
    const body = { Name: 'a-users', Driver: 'bridge', IPAM: { Config: [{ Subnet: `10.89.${lanes}.0/24` }] } };
    const { Id } = await harness.client.call<{ Id: string }>('POST', '/networks/create', { body });
    await networks.start();
    expect(existsSync(`/sys/class/net/br-${Id.slice(0, 12)}`)).toBe(true);
    await harness.client.call('DELETE', `/networks/${Id}`);
  });
});
