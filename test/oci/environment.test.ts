import { expect, it } from 'vitest';
import { containerEnvironment } from '../../src/backends/oci/environment.js';
import { functionOf } from './plans.js';

const FACTS = { container: 'c7', token: 'secret', address: null, host: '127.0.0.1', port: 8080 };

it('gives an agent of ours what it needs to call, and a seed of its own', () => {
  const fn = functionOf({ env: { COLOUR: 'green', SHARED: 'function' } });
  const env = containerEnvironment(fn, { SHARED: 'placement', DEVICE: '0' }, FACTS);
  const { ILUVATAR_ASSIGN: assign, ...rest } = env;
  // The image's first, then the placement's, and the function's last.
  expect(rest).toEqual({
    FROM_IMAGE: 'yes',
    SHARED: 'function',
    DEVICE: '0',
    COLOUR: 'green',
    ILUVATAR_CONTAINER: 'c7',
    ILUVATAR_TOKEN: 'secret',
    ILUVATAR_FUNCTION: 'hello@1',
  });
  const told = JSON.parse(assign as string) as Record<string, unknown>;
  expect(told).toEqual({ maxBody: 1024, function: 'hello@1', seed: expect.stringMatching(/^[0-9a-f]{32}$/) });
  expect(containerEnvironment(fn, {}, FACTS)['ILUVATAR_ASSIGN']).not.toBe(assign);
});

it('cannot be overridden where the worker’s own words are concerned', () => {
  const fn = functionOf({ env: { ILUVATAR_TOKEN: 'mine', ILUVATAR_FUNCTION: 'other' } });
  expect(containerEnvironment(fn, {}, FACTS)).toMatchObject({ ILUVATAR_TOKEN: 'secret', ILUVATAR_FUNCTION: 'hello@1' });
});

it('tells an address where there is one', () => {
  const env = containerEnvironment(functionOf({ network: 'bridge' }), {}, { ...FACTS, address: '10.187.0.2' });
  expect(env).toMatchObject({ ILUVATAR_ADDRESS: '10.187.0.2' });
});

it('tells an old agent where to listen, and no secret', () => {
  const env = containerEnvironment(
    functionOf({ server: 'http', network: 'bridge' }),
    {},
    { ...FACTS, host: '10.187.0.2' },
  );
  expect(env).toMatchObject({ __IL_HOST: '10.187.0.2', __IL_PORT: '8080' });
  expect(Object.keys(env).filter((name) => name.startsWith('ILUVATAR_'))).toEqual([]);
  expect(containerEnvironment(functionOf({ server: 'legacy-socket' }), {}, FACTS)['__IL_SOCKET']).toBe(
    '/iluvatar/sockets/sock',
  );
});
