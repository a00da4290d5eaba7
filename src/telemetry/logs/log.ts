import { type Logger, pino, symbols } from 'pino';
import { type PathSettings, resolveLogFile } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { LogFile } from './log-file.js';

/**
 * The worker's log: one JSON object a line, ISO time, level as a word, appended to a file by this thread itself. Lines are written without blocking; a pino transport
 * thread would cost memory and a hop for nothing. A level that is off costs one call of an empty function.
 */
export type Log = Logger;

export type LogSettings = PathSettings & { readonly log: WorkerConfig['log'] };

export interface LogOptions {
  /** Takes the place of the configured file; null = standard error. */
  file?: string | null;
  /** Fields of every line, such as the thread. */
  fields?: Record<string, unknown>;
}

const MODULES = Symbol('levels and logs of modules');

/** A child has a level of its own from its birth: to change it later, one has to know it. There are as many as modules, for as long as the log. */
interface Modules {
  levels: Readonly<Record<string, string>>;
  readonly logs: { module: string; log: Log }[];
}

interface LogInternals {
  [MODULES]: Modules;
  [symbols.streamSym]: LogFile;
}

/** Opens the log. Throws `unavailable` when its file cannot be written. Close it with `closeLog`. */
export function createLog(config: LogSettings, options: LogOptions = {}): Log {
  const file = options.file === undefined ? resolveLogFile(config) : options.file;
  const destination = openFile(file);
  const log = pino(
    {
      base: options.fields ?? null,
      level: config.log.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const modules: Modules = { levels: config.log.modules, logs: [] };
  // Children inherit it through the prototype.
  Object.assign(log, { [MODULES]: modules });
  return log;
}

/** The log of one module: lines carry `module`, and the level is that of `log.modules` when it names the module, else the log's. */
export function moduleLog(log: Log, module: string, fields: Record<string, unknown> = {}): Log {
  const modules = internals(log)[MODULES];
  const level = levelOf(modules, module);
  const child = log.child({ module, ...fields }, level === undefined ? {} : { level });
  modules.logs.push({ module, log: child });
  return child;
}

/** Other levels from now on, of the log and of its modules. */
export function setLogLevels(
  log: Log,
  { level, modules: levels }: Pick<WorkerConfig['log'], 'level' | 'modules'>,
): void {
  const modules = internals(log)[MODULES];
  log.level = level;
  modules.levels = levels;
  for (const { module, log: child } of modules.logs) child.level = levelOf(modules, module) ?? level;
}

function levelOf({ levels }: Modules, module: string): string | undefined {
  return Object.hasOwn(levels, module) ? levels[module] : undefined;
}

/** Opens the file again, after a log rotation moved it away. Nothing buffered is lost; nothing happens on standard error. Throws system errors. */
export function reopenLog(log: Log): void {
  internals(log)[symbols.streamSym].reopen();
}

/** Why its last lines were lost; null = they were not. */
export function logFailure(log: Log): string | null {
  // A test's log may have another destination.
  return internals(log)[symbols.streamSym].failure ?? null;
}

/** Writes what is buffered and closes the file; lines said afterwards are lost. */
export function closeLog(log: Log): Promise<void> {
  return internals(log)[symbols.streamSym].close();
}

function internals(log: Log): LogInternals {
  return log as unknown as LogInternals;
}

function openFile(file: string | null): LogFile {
  try {
    return new LogFile(file);
  } catch (error) {
    throw new IluvatarError('unavailable', `the log file ${file} cannot be written: ${(error as Error).message}`);
  }
}
