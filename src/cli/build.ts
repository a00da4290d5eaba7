import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Option } from 'commander';
import { statSource } from './archive.js';
import type { BuiltFunction } from './build-function.js';
import { action, type CommandHost } from './command-host.js';
import type { Context } from './context.js';
import { EXIT, UsageError } from './exit-codes.js';
import { facts } from './output.js';
import { collect, parsePair } from './parse.js';
import { nameFrom } from './register.js';

/** `iluvatar build`: an image from a function's source, without a worker and without an engine. */

const ENGINES = ['containerd', 'docker'] as const;
export type EngineName = (typeof ENGINES)[number];

interface Options {
  output?: string;
  push?: string;
  import?: EngineName;
  base: string;
  platform?: string;
  tag?: string;
  name?: string;
  version: string;
  runtime?: string;
  entry?: string;
  interpreter?: string;
  env?: string[];
  label?: string[];
  user: string;
  dependencies: boolean;
  compress?: boolean;
}

/** What `--json` prints. */
interface Report {
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly entry: string;
  readonly image: string;
  readonly platform: string;
  /** Of the manifest: what a registry and an engine name the image by. */
  readonly digest: string;
  readonly config: string;
  readonly layers: readonly { digest: string; diffId: string; mediaType: string; size: number }[];
  readonly size: number;
  readonly output: string | null;
  readonly pushed: { reference: string; sent: number; mounted: number; there: number } | null;
  /** The engine that has it now. */
  readonly imported: EngineName | null;
}

export function addBuildCommand(host: CommandHost): void {
  host
    .add('build', "make an OCI image of a function's source; the same source makes the same image", [
      'build functions/hello --base python:3.11-slim --output hello.tar   # for docker load, ctr images import',
      'build functions/hello --base ./rootfs --output images/hello        # an OCI layout',
      'build functions/hello --base debian.tar --push localhost:5000/hello:1',
      'build functions/hello --base ./rootfs --import containerd --set backends.containerd.namespace=default',
      'build ./program --base scratch --platform linux/arm64 --json',
    ])
    .argument('<source>', 'file or folder')
    .option('-o, --output <path>', 'an archive if it ends in .tar, else a folder with an OCI layout')
    .option('--push <reference>', 'push it to a registry: registry/name:tag')
    .addOption(
      new Option(
        '--import <engine>',
        'bring it into a container engine of this machine, which backends.containerd or backends.docker describes',
      ).choices(ENGINES),
    )
    .option(
      '-b, --base <base>',
      'scratch, a root file system folder, an OCI layout, an OCI or Docker archive, or a reference to a registry',
      'scratch',
    )
    .option('--platform <platform>', "linux/amd64, linux/arm64, … (default: this machine's)")
    .option('--tag <reference>', 'its name in the output (default: from --push, else name:version)')
    .option('--name <name>', 'function name (default: that of the file or folder)')
    .option('--version <version>', 'function version', '1')
    .option('--runtime <runtime>', 'python3, nodejs or binary (default: found from the source)')
    .option('--entry <entry>', 'entry point, file:function, or the executable')
    .option('--interpreter <program>', 'Python or Node in the base (default: python3 or node on its PATH)')
    .option('-e, --env <name=value>', 'environment variable; may be repeated', collect)
    .option('--label <name=value>', 'label; may be repeated', collect)
    .option('--user <user>', 'uid:gid, or a user of the base', '65534:65534')
    .option('--compress', 'gzip the layers; digests then hold for one version of Node')
    .option('--no-dependencies', 'do not install requirements.txt or package.json dependencies')
    .action(
      action(async (context, options: Options, operand: string) => {
        const source = resolve(operand);
        await statSource(source);
        const report = await inTemporaryFolder((folder) => build(context, options, source, folder));
        context.print(report, reportText);
      }),
    );
}

async function build(context: Context, options: Options, source: string, temporary: string): Promise<Report> {
  const { output, push } = options;
  if (output !== undefined && /\.(tgz|gz|zst|xz)$/.test(output)) {
    throw new UsageError(`--output ${output}: archives are not compressed as a whole: name it .tar`);
  }
  const [{ buildFunction }, { parseReference }] = await Promise.all([
    import('./build-function.js'),
    import('../images/references.js'),
  ]);
  const { config } = await context.load();
  const name = options.name ?? nameFrom(source);
  const tag = options.tag ?? push ?? `${name.toLowerCase()}:${options.version}`;
  // Before the work, so that a mistake costs nothing.
  const reference = parseReference(tag);
  const target = push === undefined ? null : parseReference(push);
  const progress = (line: string): void => context.note(line);
  const built = await buildFunction(
    {
      source,
      name,
      version: options.version,
      runtime: options.runtime ?? null,
      entry: options.entry ?? null,
      dependencies: options.dependencies,
      interpreter: options.interpreter ?? null,
      env: Object.fromEntries((options.env ?? []).map(parsePair)),
      labels: Object.fromEntries((options.label ?? []).map(parsePair)),
      user: options.user,
      base: options.base,
      platform: options.platform ?? null,
      compress: options.compress === true,
    },
    config,
    temporary,
    progress,
  );
  if (output !== undefined) {
    const path = resolve(output);
    const written = path.endsWith('.tar')
      ? (await import('../images/docker-archive.js')).writeArchive
      : (await import('../images/oci-layout.js')).writeLayout;
    await written(built.image, reference, path);
    progress(`wrote ${path}`);
  }
  const pushed =
    target === null
      ? null
      : await (await import('../images/registry-push.js')).pushImage(built.image, target, progress);
  const engine = options.import ?? null;
  if (engine !== null) {
    const { importInto } = await import('./build-import.js');
    await importInto(engine, built.image, reference, config.backends, progress);
  }
  return {
    ...reportOf(built, tag, output === undefined ? null : resolve(output)),
    pushed:
      pushed === null
        ? null
        : { reference: push as string, sent: pushed.sent, mounted: pushed.mounted, there: pushed.there },
    imported: engine,
  };
}

function reportOf(built: BuiltFunction, tag: string, output: string | null): Omit<Report, 'pushed' | 'imported'> {
  const { image, platform } = built;
  return {
    name: built.name,
    version: built.version,
    runtime: built.runtime,
    entry: built.entry,
    image: tag,
    platform,
    digest: image.manifest.digest,
    config: image.config.digest,
    layers: image.layers.map(({ blob, diffId, mediaType }) => ({
      digest: blob.digest,
      diffId,
      mediaType,
      size: blob.size,
    })),
    size: image.layers.reduce((sum, { blob }) => sum + blob.size, image.config.size + image.manifest.size),
    output,
  };
}

function reportText(report: Report): string {
  const rows: [string, string][] = [
    ['function', `${report.name}@${report.version}`],
    ['runtime', `${report.runtime}, ${report.entry}`],
    ['image', `${report.image} (${report.platform})`],
    ['digest', report.digest],
    ['size', `${(report.size / 1_048_576).toFixed(1)} MiB in ${report.layers.length} layers`],
  ];
  if (report.output !== null) rows.push(['output', report.output]);
  if (report.pushed !== null) rows.push(['pushed', report.pushed.reference]);
  if (report.imported !== null) rows.push(['imported', report.imported]);
  return facts(rows);
}

/** A folder that is gone afterwards, also when the command is interrupted. */
async function inTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'iluvatar-build-'));
  const interrupted = (): void => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(EXIT.cancelled);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await use(folder);
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await rm(folder, { recursive: true, force: true });
  }
}
