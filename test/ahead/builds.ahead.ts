import { it } from 'vitest';
import { arm64Addon, arm64Node } from '../arm64/arm64-build.js';
import { pythonClient, tonicClient } from '../grpc/tools/clients.js';
import { GO_PROGRAMS, goProgram } from '../grpc/tools/go-program.js';
import { buildCollector } from '../telemetry/tracing/support/collector.js';
import { rootImage } from '../vm/image/root-image.js';

/**
 * What suites need that takes minutes to make, on a machine that has not made it yet: made from the beginning of a whole run, in the time in which the other suites wait, one after the other. The suites that need it come last
 * (vitest.config.ts); they find it in the cache, wait for it, or make it themselves and say what is wrong. So what fails here is nobody's failure.
 */
const BUILDS: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['a client by tonic', tonicClient],
  ['a client by grpcio', pythonClient],
  ...GO_PROGRAMS.map((name) => [name, () => goProgram(name)] as const),
  ['a collector of OpenTelemetry', buildCollector],
  ['the addon for arm64', arm64Addon],
  ['Node for arm64', arm64Node],
  ['the disk of virtual machines', rootImage],
];

it.each(BUILDS)('%s', async (_name, build) => {
  await build();
});
