import type { Command } from 'commander';
import type { Client } from '../client/client.js';
import type { LoadedConfig } from '../config/load.js';
import { type ErrorDetails, IluvatarError } from '../core/errors.js';
import { UsageError } from './exit-codes.js';
import { paint } from './output.js';
import { collect } from './parse.js';

/**
 * What every subcommand gets: the global options, the configuration they select, a connection, and a place to print. Slow modules are loaded when they are needed, so
 * that `--help` is quick.
 */

export interface GlobalOptions {
  socket?: string;
  config?: string;
  set?: string[];
  json?: boolean;
}

/** Added to the program and to every subcommand, so that they may stand on either side of its name. */
export function addGlobalOptions(command: Command): Command {
  return command
    .option('--socket <path>', "the worker's unix socket (default: from the configuration, or $ILUVATAR__SOCKET)")
    .option('--config <file>', 'configuration file, JSON or YAML')
    .option('--set <key=value>', 'one configuration option, such as http.port=9000; may be repeated', collect)
    .option('--json', 'print JSON');
}

export class Context {
  readonly json: boolean;
  readonly #options: GlobalOptions;
  readonly #flags: Readonly<Record<string, string | undefined>>;
  #loaded: LoadedConfig | null = null;

  constructor(options: GlobalOptions, flags: Readonly<Record<string, string | undefined>> = {}) {
    this.json = options.json === true;
    this.#options = options;
    this.#flags = flags;
  }

  /** The configuration file that was named. */
  get file(): string | undefined {
    return this.#options.config;
  }

  /** Options of the configuration are given on this command line. */
  get hasOverrides(): boolean {
    return this.#options.socket !== undefined || (this.#options.set ?? []).length > 0;
  }

  /** This context with options that a subcommand has flags of its own for. */
  withFlags(flags: Readonly<Record<string, string | undefined>>): Context {
    return new Context(this.#options, flags);
  }

  async load(): Promise<LoadedConfig> {
    this.#loaded ??= (await this.reader())();
    return this.#loaded;
  }

  /** Reads the same sources anew each time. Throws `invalid`. */
  async reader(): Promise<() => LoadedConfig> {
    const { loadConfig } = await import('../config/load.js');
    const { socket, config: file, set = [] } = this.#options;
    return () => loadConfig({ file, environment: process.env, set, flags: { socket, ...this.#flags } });
  }

  /** Runs `use` with a connection to the worker and closes it, whatever happens. */
  async withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const { config } = await this.load();
    const [{ resolvePaths }, { connect }] = await Promise.all([
      import('../config/paths.js'),
      import('../client/client.js'),
    ]);
    const client = await connect(resolvePaths(config).socket, { maxBodyBytes: config.transport.maxBodyBytes });
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }

  /** The result of a command: the value itself with `--json`, else what `human` makes of it. */
  print<T>(value: T, human: (value: T) => string): void {
    process.stdout.write(this.json ? `${JSON.stringify(value, null, process.stdout.isTTY ? 2 : 0)}\n` : human(value));
  }

  /** Something said on the way, not part of the result. */
  note(line: string): void {
    process.stderr.write(`${paint('dim', line, process.stderr)}\n`);
  }
}

/** Failures go to standard error: as a sentence with what belongs to it, or as one JSON line. */
export function printError(error: unknown, json: boolean): void {
  const known = error instanceof IluvatarError ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const errorClass = known?.errorClass ?? (error instanceof UsageError ? 'usage' : 'internal');
    const body = { class: errorClass, message, details: known?.details ?? {} };
    process.stderr.write(`${JSON.stringify({ error: body })}\n`);
    return;
  }
  const title = known?.errorClass ?? (error instanceof UsageError ? 'usage' : 'error');
  const head = paint('red', title, process.stderr);
  // A defect of ours is of use to nobody without its place; the stack begins with the message.
  const text = title === 'error' && error instanceof Error ? (error.stack ?? message) : message;
  process.stderr.write(`${head}: ${text}\n`);
  if (known !== null) printDetails(known.details);
}

function printDetails({ traceback, stdout, stderr, evidence, retryAfterMs }: ErrorDetails): void {
  const sections: [string, string | undefined][] = [
    ['traceback', traceback],
    ['output of the function', stdout],
    ['errors of the function', stderr],
    ['evidence', evidence === undefined ? undefined : JSON.stringify(evidence)],
    ['try again in', retryAfterMs === undefined ? undefined : `${retryAfterMs} ms`],
  ];
  for (const [title, text] of sections) {
    if (text === undefined || text === '') continue;
    const body = text.trimEnd();
    const separator = body.includes('\n') ? '\n' : ' ';
    process.stderr.write(`${paint('bold', `${title}:`, process.stderr)}${separator}${body}\n`);
  }
}
