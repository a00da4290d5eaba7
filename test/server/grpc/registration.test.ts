import { expect, it } from 'vitest';
import { RegisterRequest } from '../../../src/rpc/gen/iluvatar_rpc.js';
import { fqdnOf, functionOf } from '../../../src/server/grpc/methods/function-names.js';
import { definitionOf } from '../../../src/server/grpc/methods/registration.js';
import { FACTS } from './support.js';

const GOOD: RegisterRequest = {
  ...RegisterRequest.decode(new Uint8Array()),
  functionName: 'hello',
  functionVersion: '2',
  imageName: 'docker.io/alfuerst/hello-iluvatar-action:latest',
  memory: 128,
  cpus: 1,
  parallelInvokes: 1,
  compute: 1,
  isolate: 1,
};

function checked(changes: Partial<RegisterRequest>, facts: Partial<typeof FACTS> = {}, taken = false) {
  return definitionOf({ ...GOOD, ...changes }, { ...FACTS, ...facts }, () => taken);
}

it('makes a definition of what the original takes', () => {
  expect(checked({})).toEqual({
    name: 'hello',
    version: '2',
    image: 'docker.io/alfuerst/hello-iluvatar-action:latest',
    memoryMb: 128,
    cpus: 1,
    backends: ['containerd'],
    devices: ['cpu'],
    network: 'bridge',
    server: 'http',
  });
  const timings = { CPU: { warm_results_sec: [0.5] } };
  const all = checked(
    { isolate: 3, compute: 3, containerServer: 1, resourceTimingsJson: JSON.stringify(timings) },
    { gpus: 1 },
  );
  expect(all).toMatchObject({
    backends: ['containerd', 'docker'],
    devices: ['cpu', 'gpu'],
    server: 'legacy-socket',
    timings: { CPU: { warm_results_sec: [0.5], cold_results_sec: [] } },
  });
});

it('leaves out bits and numbers that it does not know, as the original does', () => {
  expect(checked({ isolate: 2 | 64, compute: 1 | 64, containerServer: 9 })).toMatchObject({
    backends: ['docker'],
    devices: ['cpu'],
    server: 'http',
  });
});

/** In the order of the checks: each is wrong from here on, and the first is told. */
const WRONG: readonly (readonly [Partial<RegisterRequest>, RegExp])[] = [
  [{ resourceTimingsJson: '{' }, /resource timings/],
  [{ functionName: '' }, /Invalid function name/],
  [{ functionVersion: '' }, /Invalid function version/],
  [{ memory: 5 }, /Illegal memory allocation request: 5 MB is outside 10 to 1000/],
  [{ cpus: 0 }, /Illegal cpu allocation/],
  [{ parallelInvokes: 2 }, /parallel invokes/],
  [{ functionName: 'a/b' }, /slash/],
  [{ isolate: 0 }, /no specified isolation/],
  [{ compute: 0 }, /no specified compute/],
  [{ compute: 4 }, /FPGA: the worker has no devices/],
];

it.each(WRONG.map(([changes, message], at) => [message, changes, at] as const))('refuses: %s', (message, changes) => {
  expect(checked(changes)).toMatch(message);
});

it('tells the first of several faults, in the order of the original', () => {
  // Later ones first: what comes earlier in the table takes the place of the same field.
  for (let first = 0; first < WRONG.length; first++) {
    const all = Object.assign(
      {},
      ...WRONG.slice(first)
        .reverse()
        .map(([changes]) => changes),
    );
    expect(checked(all, { backends: [] }, true)).toMatch((WRONG[first] as (typeof WRONG)[number])[1]);
  }
});

it.each([
  [{ memory: 1001 }, /memory/],
  [{ cpus: 5 }, /cpu/],
  [{ functionName: 'a\\b' }, /backslash/],
  [{ compute: 2 }, /GPU: the worker has no devices of that type/],
  [{ resourceTimingsJson: '{"CPU": {"cold_results_sec": ["x"]}}' }, /resource timings/],
  [{ resourceTimingsJson: '{"TPU": {}}' }, /resource timings/],
])('refuses %j', (changes, message) => {
  expect(checked(changes as Partial<RegisterRequest>)).toMatch(message);
});

it('refuses what is registered, and isolation that is not there', () => {
  expect(checked({}, { backends: ['process'] }, true)).toBe('Function hello-2 is already registered!');
  expect(checked({ isolate: 3 }, { backends: ['process', 'docker'] })).toMatch(
    /isolation containerd: .*process, docker/,
  );
});

it('tells functions apart whose names the original joins to the same', () => {
  const there = new Set(['a-b@c', 'a@b-c', 'x-y@1']);
  const gateway = { resolve: (name: string, version: string) => (there.has(`${name}@${version}`) ? 1 : 0) };
  expect(fqdnOf('x-y', '1', gateway)).toBe('x-y-1');
  expect(fqdnOf('a-b', 'c', gateway)).toBe('a-b/c');
  expect(functionOf('x-y-1', gateway)).toEqual({ name: 'x-y', version: '1' });
  expect(functionOf('a/b-c', gateway)).toEqual({ name: 'a', version: 'b-c' });
  expect(functionOf('nothing-1', gateway)).toBeNull();
  expect(() => functionOf('a-b-c', gateway)).toThrow(/a\/b-c, a-b\/c/);
});
