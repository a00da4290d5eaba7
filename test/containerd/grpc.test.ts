import { afterAll, beforeAll, expect, it } from 'vitest';
import { RegisterRequest } from '../../src/rpc/gen/iluvatar_rpc.js';
import { called, GrpcStage, request } from '../server/grpc/support.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { OLD_AGENT_REQUIREMENTS, type OldAgentImages, oldAgentImages } from '../support/old-agent-image.js';
import { describeWith } from '../support/requirement.js';
import { WorkerFixture } from '../worker/support/worker-fixture.js';
import { NEEDS } from './rig.js';

const REQUIREMENTS = {
  ...NEEDS,
  file: OLD_AGENT_REQUIREMENTS.file,
  command: [...NEEDS.command, OLD_AGENT_REQUIREMENTS.command],
};

describeWith(REQUIREMENTS, "images of the original, registered over the original's wire", () => {
  const stage = new GrpcStage();
  let daemon: ContainerdDaemon;
  let layouts: OldAgentImages;
  let fixture: WorkerFixture;

  beforeAll(async () => {
    [daemon, layouts] = await Promise.all([ContainerdDaemon.start(), oldAgentImages()]);
    fixture = await WorkerFixture.start({
      grpc: { enabled: true, port: 0 },
      backends: { containerd: { enabled: true, address: daemon.address } },
    });
  }, 180_000);
  afterAll(async () => {
    await stage.end();
    await fixture?.[Symbol.asyncDispose]();
    await daemon?.close();
  });

  it.each(['http', 'socket'] as const)(
    'run over %s',
    async (kind) => {
      const client = stage.client(Number(fixture.worker.grpcAddress?.split(':')[1]));
      const registration = {
        ...RegisterRequest.decode(new Uint8Array()),
        ...{ functionName: `old-${kind}`, functionVersion: '1', imageName: layouts[kind], memory: 256, cpus: 1 },
        ...{
          parallelInvokes: 1,
          compute: 1,
          isolate: 1,
          containerServer: kind === 'http' ? 0 : 1,
          language: 1 as const,
        },
      };
      const registered = await called(client.register, client, registration);
      expect(registered).toEqual({ success: true, fqdn: `old-${kind}-1`, error: '', errorClass: '' });
      const answer = await called(client.invoke, client, {
        ...request(`old-${kind}`, '{"name":"wire"}'),
        details: true,
      });
      expect(answer).toMatchObject({ success: true, compute: 1, backend: 'containerd' });
      expect(JSON.parse(answer.jsonResult)).toMatchObject({ body: { greeting: 'Hello wire' } });
      const { functions } = await called(client.listRegisteredFuncs, client, { transactionId: '' });
      expect(functions).toContainEqual({
        functionName: `old-${kind}`,
        functionVersion: '1',
        imageName: layouts[kind],
      });
      expect(await called(client.register, client, registration)).toMatchObject({
        success: false,
        errorClass: 'conflict',
      });
    },
    60_000,
  );
});
