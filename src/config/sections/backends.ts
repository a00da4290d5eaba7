import * as z from 'zod';

/** What containers are made with: backends, images for those of container engines, and the steps in which engines make containers. */

const stage = z.number().int().min(0).max(1024).default(0);

export const backendsSection = z
  .strictObject({
    process: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Containers of the worker’s own making; need no engine'),
      })
      .prefault({}),
    containerd: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Containers of containerd'),
        address: z.string().default('/run/containerd/containerd.sock').describe('Its gRPC socket'),
        namespace: z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,75}$/)
          .default('iluvatar')
          .describe('Namespace in it for everything of the worker'),
        snapshotter: z.string().default('overlayfs').describe('What images are unpacked with'),
        runtime: z
          .string()
          .default('iluvatar')
          .describe(
            '`iluvatar` = the worker’s own shim, quick; or the name of an installed one, such as io.containerd.runc.v2',
          ),
      })
      .prefault({}),
    docker: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Containers of Docker'),
        socket: z.string().default('/var/run/docker.sock').describe('Its HTTP socket'),
      })
      .prefault({}),
    simulated: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Containers that exist in time only, for tests and load'),
      })
      .prefault({}),
  })
  .prefault({});

export const imagesSection = z
  .strictObject({
    base: z
      .string()
      .default('host')
      .describe(
        'What functions from source are built upon for containerd and Docker: `host` (this machine’s system, read-only), a reference, an archive, a layout or a root folder',
      ),
    pull: z
      .enum(['missing', 'always', 'never'])
      .default('missing')
      .describe('When an image that is named by a reference is fetched from its registry'),
    uid: z
      .number()
      .int()
      .min(0)
      .default(65_534)
      .describe('User and group of containers of functions from source; an image has its own'),
  })
  .prefault({});

export const stagesSection = z
  .strictObject({
    snapshot: stage.describe('Root file systems prepared at once'),
    network: stage.describe('Networks taken at once'),
    create: stage.describe('Containers created at once'),
    start: stage.describe('Containers started at once'),
    ready: stage.describe('Containers whose code is loaded at once'),
  })
  .prefault({})
  .describe('Limits of the steps in which containerd and Docker make containers; 0 = found by trying');
