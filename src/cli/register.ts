import { basename, extname, resolve } from 'node:path';
import type { FunctionDefinitionInput, RegisteredFunction } from '../config/api.js';
import { absoluteImage, isImagePath } from '../images/image-path.js';
import { packSource, statSource } from './archive.js';
import { collectBackends } from './backend-options.js';
import { action, type CommandHost } from './command-host.js';
import { UsageError } from './exit-codes.js';
import { argumentsFromText } from './function-arguments.js';
import { facts } from './output.js';
import { collect, parseDuration, parseInteger, parseMemory, parseNumber, parsePair } from './parse.js';

/** `iluvatar register`: from options to a definition. What is not given is left to the worker's defaults. */

interface Options {
  name?: string;
  version?: string;
  runtime?: string;
  entry?: string;
  memory?: number;
  memoryPolicy?: string;
  cpus?: number;
  cpuset?: string;
  timeout?: number;
  startupTimeout?: number;
  concurrency?: number;
  maxContainers?: number;
  queueLimit?: number;
  keepAlive?: number;
  retries?: number;
  env?: string[];
  label?: string[];
  network?: string;
  tmp?: number;
  pids?: number;
  server?: string;
  zygote: boolean;
  dependencies: boolean;
  devices?: string;
  gpuMemory?: number;
  timings?: string;
  definition?: string;
  replace?: boolean;
  upload?: boolean;
  image?: string;
  base?: string;
  command?: string[];
  backend?: string[];
  readOnly?: boolean;
  tid?: string;
}

export function addRegisterCommand(host: CommandHost): void {
  host
    .add('register', 'register a function straight from its source, or from an image', [
      'register functions/hello',
      'register resize.py --memory 512m --cpus 2 --timeout 10s',
      'register functions/hello --name greet --version 2 --env GREETING=Hi --replace',
      'register functions/hello --upload            # the worker cannot see this folder',
      'register functions/hello --backend containerd,process --base debian.tar',
      'register --name shop --image ghcr.io/me/shop:1 --server http --backend docker',
    ])
    .argument('[source]', 'file or folder; the worker reads it there unless --upload. Not with --image')
    .option(
      '--image <image>',
      'a whole image instead of source: a reference, or a path that begins with /, ./ or ../ of an archive, layout or root folder',
    )
    .option('--name <name>', 'function name (default: that of the file or folder)')
    .option('--version <version>', 'function version (default: 1)')
    .option('--runtime <runtime>', 'python3, nodejs or binary (default: found from the source)')
    .option('--entry <entry>', 'entry point, file:function, or the executable')
    .option('-m, --memory <size>', 'memory reserved, and its limit: 128m, 1g', parseMemory)
    .option('--memory-policy <policy>', 'when it needs more: kill, grow, swap or none (default: memory.policy)')
    .option('-c, --cpus <n>', 'CPU quota and slots', parseNumber)
    .option('--cpuset <cores>', 'cores that it may use, as 0-1,4')
    .option('-t, --timeout <duration>', 'from enqueueing to the answer: 500ms, 10s, 2m', parseDuration)
    .option('--startup-timeout <duration>', 'from creation until the code is loaded', parseDuration)
    .option('--concurrency <n>', 'invocations that one container runs at once', parseInteger)
    .option('--max-containers <n>', 'most containers at once', parseInteger)
    .option('--queue-limit <n>', 'most queued invocations', parseInteger)
    .option(
      '--keep-alive <duration>',
      'idle time before a container is removed, under keepAlive.policy=ttl',
      parseDuration,
    )
    .option('--retries <n>', 'tries again after a failure of the platform', parseInteger)
    .option('-e, --env <name=value>', 'environment variable; may be repeated', collect)
    .option('--label <name=value>', 'free text for people; may be repeated', collect)
    .option('--network <network>', 'none (loopback only), bridge (an address of its own) or host')
    .option('--tmp <size>', 'size of /tmp, counted against the memory', parseMemory)
    .option('--pids <n>', 'most processes and threads', parseInteger)
    .option('--devices <devices>', 'devices it can run on: cpu, gpu or cpu,gpu')
    .option('--gpu-memory <size>', 'reserved on a GPU by each container', parseMemory)
    .option(
      '--timings <json>',
      'measured times to begin with, by device, as JSON, @file, or - for standard input; or a file that load benchmark wrote',
    )
    .option(
      '--backend <names>',
      'backends that may run it, in order of preference (default: those of the worker); may be repeated',
      collectBackends,
    )
    .option(
      '--base <image>',
      'what source is built upon for containerd and Docker: host, a reference, or a path as for --image (default: images.base)',
    )
    .option('--command <word...>', 'what an image is started with, instead of its own')
    .option('--read-only', 'its root file system is read-only (default for source)')
    .option('--no-read-only', 'its root file system can be written (default for images)')
    .option('--server <server>', 'framed, legacy-socket or http')
    .option('--no-zygote', 'do not start from a warm interpreter')
    .option('--no-dependencies', 'do not install requirements.txt or package.json dependencies')
    .option('--definition <json>', 'further fields of the definition, as JSON, @file, or - for standard input')
    .option('--replace', 'replace a different function of the same name and version')
    .option('--upload', 'send the source instead of its path')
    .option('--tid <id>', 'transaction id, found again in the logs')
    .action(
      action(async (context, options: Options, operand: string | undefined) => {
        const source = await sourceOf(options, operand);
        const definition = definitionOf(options, source);
        const progress = (line: string): void => context.note(line);
        const archive =
          options.upload === true && source !== null
            ? await packSource(source, definition.entry !== undefined, progress)
            : undefined;
        const registered = await context.withClient((client) =>
          client.register(definition, {
            replace: options.replace === true,
            progress,
            ...(archive === undefined ? {} : { archive }),
            ...(options.tid === undefined ? {} : { tid: options.tid }),
          }),
        );
        context.print(registered, registeredText);
      }),
    );
}

/** Absolute; null = the function is an image. Throws UsageError for both, neither, and an image that is to be uploaded. */
async function sourceOf({ image, upload }: Options, operand: string | undefined): Promise<string | null> {
  if (operand === undefined) {
    if (image === undefined) throw new UsageError('a function needs its source, a file or folder, or --image');
    if (upload === true) throw new UsageError('--upload sends source; an image is fetched or read by the worker');
    return null;
  }
  if (image !== undefined) throw new UsageError('source or --image, not both: --base is what source is built upon');
  const source = resolve(operand);
  await statSource(source);
  return source;
}

function definitionOf(options: Options, source: string | null): FunctionDefinitionInput {
  const further = options.definition === undefined ? {} : JSON.parse(argumentsFromText(options.definition));
  const given = {
    name: options.name,
    version: options.version,
    runtime: options.runtime,
    entry: options.entry,
    memoryMb: options.memory,
    memoryPolicy: options.memoryPolicy,
    cpus: options.cpus,
    cpuset: options.cpuset,
    timeoutMs: options.timeout,
    startupTimeoutMs: options.startupTimeout,
    concurrency: options.concurrency,
    maxContainers: options.maxContainers,
    queueLimit: options.queueLimit,
    keepAliveMs: options.keepAlive,
    retries: options.retries,
    env: pairs(options.env),
    labels: pairs(options.label),
    network: options.network,
    tmpMb: options.tmp,
    pids: options.pids,
    devices: options.devices?.split(','),
    gpuMemoryMb: options.gpuMemory,
    server: options.server,
    image: options.image === undefined ? undefined : absoluteImage(options.image),
    base: options.base === undefined ? undefined : absoluteImage(options.base),
    command: options.command,
    backends: options.backend,
    readOnlyRoot: options.readOnly,
    zygote: options.zygote ? undefined : false,
    dependencies: options.dependencies ? undefined : false,
  };
  const known: Record<string, unknown> = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  // The worker checks every field and names what is wrong, so nothing is checked twice here.
  const name = source === null ? nameFromImage(options.image as string) : nameFrom(source);
  const definition = { name, ...further, ...known, ...(source === null ? {} : { source }) } as FunctionDefinitionInput;
  return options.timings === undefined
    ? definition
    : { ...definition, timings: timingsOf(options.timings, definition.name) };
}

/** By device, or of this function from the whole file that `load benchmark` writes. */
function timingsOf(text: string, name: string): FunctionDefinitionInput['timings'] {
  const timings = JSON.parse(argumentsFromText(text));
  const functions = timings?.data;
  if (typeof functions !== 'object' || functions === null) return timings;
  if (Object.hasOwn(functions, name)) return functions[name]?.resource_data ?? null;
  throw new UsageError(
    `--timings ${text}: "${name}" was not measured; there are: ${Object.keys(functions).join(', ')}`,
  );
}

function pairs(texts: readonly string[] | undefined): Record<string, string> | undefined {
  return texts === undefined ? undefined : Object.fromEntries(texts.map(parsePair));
}

/** `/x/image resize.py` → `image-resize` */
export function nameFrom(source: string): string {
  return basename(source, extname(source))
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
}

/** `ghcr.io/me/shop:1` → `shop`; a path as source is named. */
export function nameFromImage(image: string): string {
  if (isImagePath(image)) return nameFrom(image);
  const last = image.split('@')[0]?.split('/').at(-1) ?? '';
  return nameFrom(`${last.split(':')[0]}.image`);
}

function registeredText(fn: RegisteredFunction): string {
  return facts([
    ['function', `${fn.name}@${fn.version}`],
    ['runtime', fn.runtime],
    ['backends', fn.backends.join(', ')],
    ['limits', `${fn.memoryMb} MiB, ${fn.cpus} CPU, ${fn.timeoutMs / 1000} s`],
    ['digest', fn.digest],
    ['invoke', `iluvatar invoke ${fn.name}${fn.version === '1' ? '' : `@${fn.version}`}`],
  ]);
}
