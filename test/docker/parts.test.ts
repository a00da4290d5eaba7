import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hierarchies } from '../../src/backends/cgroups/hierarchies.js';
import { type ContainerLimits, containerLimits } from '../../src/backends/cgroups/limits.js';
import { createRequest, gpusOf } from '../../src/backends/docker/create-request.js';
import { exitOf } from '../../src/backends/docker/exits.js';
import type { DockerImage } from '../../src/backends/docker/images.js';
import { OutputDecoder } from '../../src/backends/docker/multiplex.js';
import { dockerResources } from '../../src/backends/docker/resources.js';
import type { ContainerPlan } from '../../src/backends/oci/engine.js';
import { type FunctionDefinition, functionDefinitionSchema } from '../../src/config/api.js';
import { workerConfigSchema } from '../../src/config/schema.js';

/** The parts of the Docker backend that need no Docker. */

describe('output of a container', () => {
  const frame = (stream: number, text: Buffer): Buffer => {
    const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(text.length, 4);
    return Buffer.concat([header, text]);
  };

  it('is the same however it is split', () => {
    const piece = fc.record({ stream: fc.constantFrom(1, 2), bytes: fc.uint8Array({ maxLength: 50 }) });
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 20 }),
        fc.array(fc.nat({ max: 40 }), { minLength: 1 }),
        (pieces, cuts) => {
          const whole = Buffer.concat(pieces.map(({ stream, bytes }) => frame(stream, Buffer.from(bytes))));
          const got = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
          const decoder = new OutputDecoder((stream, chunk) => got[stream].push(chunk));
          for (let at = 0, i = 0; at < whole.length; i++) {
            const length = (cuts[i % cuts.length] as number) + 1;
            decoder.push(whole.subarray(at, at + length));
            at += length;
          }
          for (const [number, name] of [
            [1, 'stdout'],
            [2, 'stderr'],
          ] as const) {
            const expected = pieces.filter(({ stream }) => stream === number).map(({ bytes }) => Buffer.from(bytes));
            expect(Buffer.concat(got[name])).toEqual(Buffer.concat(expected));
          }
        },
      ),
    );
  });

  it('is passed on before a piece is whole', () => {
    const seen: string[] = [];
    const decoder = new OutputDecoder((stream, chunk) => seen.push(`${stream} ${chunk.length}`));
    const header = Buffer.from([2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    decoder.push(Buffer.concat([header, Buffer.alloc(1000)]));
    decoder.push(Buffer.alloc(500));
    expect(seen).toEqual(['stderr 1000', 'stderr 500']);
  });

  it('refuses what is no such stream', () => {
    const decoder = new OutputDecoder(() => {});
    expect(() => decoder.push(Buffer.from('HTTP/1.1 200 OK'))).toThrow(/no header of Docker's/);
  });
});

describe('what is made of a plan', () => {
  const config = workerConfigSchema.parse({});
  const limits = (definition: FunctionDefinition): ContainerLimits => containerLimits(definition, config);
  const plan = (definition: object = {}, env: Record<string, string> = {}): ContainerPlan<DockerImage> => ({
    name: 'w-c1',
    env,
    cgroupPath: '/iluvatar/w.docker/c1',
    cgroupDirs: [],
    sockets: '/run/w/c1',
    port: 8080,
    network: null,
    fn: {
      key: 'f@1',
      digest: '',
      runtime: 'python3',
      definition: functionDefinitionSchema.parse({ name: 'f', image: 'f', ...definition }),
      image: { id: 'sha256:0', kept: true },
      process: { argv: ['/a'], env: {}, cwd: '/', user: { uid: 5, gid: 6, groups: [7, 8] } },
      assign: {},
      binds: [],
      readOnlyRoot: false,
      tmpMb: 64,
    },
  });
  const options = { scope: 'w', cgroupParents: true, limits, seccomp: true, openFiles: 1024 } as const;

  it('leaves out the cgroup where the daemon could not use it, and none of the limits', () => {
    expect(createRequest(plan(), options).HostConfig.CgroupParent).toBe('/iluvatar/w.docker/c1');
    const { HostConfig, Labels } = createRequest(plan(), { ...options, cgroupParents: false });
    expect(HostConfig).not.toHaveProperty('CgroupParent');
    expect(HostConfig).toMatchObject({ Memory: 128 * 1024 * 1024, CpuQuota: 100_000, PidsLimit: 256 });
    expect(Labels).not.toHaveProperty('dev.iluvatar.cgroup');
  });

  it('chooses the network and the address', () => {
    const network = { name: 'iluvatar-w-0', path: '', address: '10.187.0.9' };
    const { HostConfig, NetworkingConfig } = createRequest({ ...plan({ network: 'bridge' }), network }, options);
    expect(HostConfig.NetworkMode).toBe('iluvatar-w-0');
    expect(NetworkingConfig?.EndpointsConfig).toEqual({
      'iluvatar-w-0': { IPAMConfig: { IPv4Address: '10.187.0.9' } },
    });
    expect(createRequest(plan({ network: 'host' }), options).HostConfig.NetworkMode).toBe('host');
    expect(createRequest(plan(), options).HostConfig.NetworkMode).toBe('none');
  });

  it('asks for the GPU that the worker has given, which is the first inside', () => {
    const given = plan({ devices: ['cpu', 'gpu'] }, { CUDA_VISIBLE_DEVICES: '3' });
    const { HostConfig, Env } = createRequest(given, options);
    expect(HostConfig.DeviceRequests).toEqual([{ DeviceIDs: ['3'], Capabilities: [['gpu']] }]);
    expect(Env).toEqual(['CUDA_VISIBLE_DEVICES=0']);
    expect(gpusOf(plan({ devices: ['cpu', 'gpu'] }))).toEqual([]);
    // Set by a user: it is in the environment too, and no device of the worker's.
    const own = { CUDA_VISIBLE_DEVICES: '3' };
    expect(gpusOf(plan({ env: own }, own))).toEqual([]);
    expect(gpusOf(plan({ devices: ['gpu'], env: own }, own))).toEqual([]);
  });

  it('keeps to what Docker takes', () => {
    const least = functionDefinitionSchema.parse({ name: 'f', image: 'f', memoryMb: 1, cpus: 0.01, pids: 4 });
    expect(dockerResources(containerLimits(least, config))).toMatchObject({
      Memory: 6 * 1024 * 1024,
      MemorySwap: 6 * 1024 * 1024,
      CpuQuota: 1_000,
      PidsLimit: 4,
    });
    const unlimited = functionDefinitionSchema.parse({ name: 'f', image: 'f', memoryPolicy: 'none' });
    expect(dockerResources(containerLimits(unlimited, config))).toMatchObject({ Memory: 0, MemorySwap: -1 });
  });
});

it('takes a code above 128 for a signal', () => {
  expect(exitOf(0, false)).toEqual({ code: 0, signal: 0, outOfMemory: false });
  expect(exitOf(128, false)).toMatchObject({ signal: 0 });
  expect(exitOf(137, true)).toEqual({ code: 137, signal: 9, outOfMemory: true });
  expect(exitOf(137, false)).toEqual({ code: 137, signal: 9, outOfMemory: null });
  expect(exitOf(139, false)).toEqual({ code: 139, signal: 11, outOfMemory: false });
  expect(exitOf(192, false)).toMatchObject({ signal: 64 });
  expect(exitOf(193, false)).toMatchObject({ signal: 0 });
  expect(exitOf(255, false)).toMatchObject({ signal: 0 });
});

it('finds every hierarchy of this machine', () => {
  const found = hierarchies(readFileSync('/proc/self/mounts', 'utf8'));
  expect(found.length).toBeGreaterThan(0);
  expect(hierarchies('cgroup /a\\040b cgroup rw,memory 0 0\ntmpfs /t tmpfs rw 0 0\nc /u cgroup2 rw 0 0\n')).toEqual([
    '/a b',
    '/u',
  ]);
});
