import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../../config/load.js';
import { resolvePaths } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { ServiceFiles } from './service-files.js';
import { serviceUnit, socketUnit, type UnitSettings, unitName } from './unit-file.js';

/** `iluvatar install-service` and `uninstall-service`: a worker as a unit of systemd. */

interface Options {
  name?: string;
  root: string;
  exec?: string;
  socketUnit?: boolean;
  enable?: boolean;
  print?: boolean;
}

export function addServiceCommands(host: CommandHost): void {
  host
    .add('install-service', 'make the worker a service of systemd: write its unit files, and tell systemd', [
      'install-service --enable',
      'install-service --config /etc/iluvatar/edge.yaml --socket-unit',
      'install-service --name gpu --print          # look first',
      'install-service --root build/deb --exec /usr/bin/iluvatar',
    ])
    .option(
      '--name <name>',
      'the worker’s name; its units are iluvatar, or iluvatar-<name> for any other than "worker"',
    )
    .option('--socket-unit', 'have systemd listen, and hand its sockets over')
    .option('--enable', 'start it now and at each boot')
    .option('--print', 'print the unit files; write nothing')
    .option('--root <folder>', 'write below this folder and touch no running systemd', '/')
    .option('--exec <program>', 'the installed iluvatar; this one unless given')
    .action(
      action(async (context, options: Options) => {
        const settings = unitSettings(context, options);
        if (options.print === true) {
          process.stdout.write(
            unitFiles(settings)
              .map(([name, text]) => `# ${name}\n${text}`)
              .join('\n'),
          );
          return;
        }
        const files = new ServiceFiles(resolve(options.root));
        const written = writeFiles(files, settings);
        const unit = unitName(settings.config);
        await tell(files, options.enable === true, unit, settings);
        context.print({ unit, written }, (value) => installedText(value, options.enable === true));
      }),
    );
  host
    .add('uninstall-service', 'stop the service and remove its unit files; configuration and data stay', [
      'uninstall-service',
      'uninstall-service --name gpu',
    ])
    .option('--name <name>', 'the worker’s name')
    .option('--root <folder>', 'remove below this folder and touch no running systemd', '/')
    .action(
      action(async (context, options: Options) => {
        const unit = unitName(nameOnly(options));
        const files = new ServiceFiles(resolve(options.root));
        const names = [`${unit}.socket`, `${unit}.service`].filter((name) => existsSync(files.unitPath(name)));
        if (files.systemdRuns && names.length > 0) await files.systemctl('disable', '--now', ...names);
        const removed = names.map((name) => files.unitPath(name)).filter((path) => files.remove(path));
        if (files.systemdRuns) await files.systemctl('daemon-reload');
        context.print({ unit, removed }, (value) =>
          removed.length === 0 ? `there is no service ${value.unit}\n` : `removed ${value.removed.join(', ')}\n`,
        );
      }),
    );
}

function unitSettings(context: Context, options: Options): UnitSettings {
  const name = options.name ?? 'worker';
  const configFile = context.file === undefined ? `/etc/iluvatar/${name}.yaml` : resolve(context.file);
  // What the service will find, and nothing of this shell.
  const there =
    context.file === undefined ? new ServiceFiles(resolve(options.root)).configPath(configFile) : configFile;
  const file = existsSync(there) ? there : undefined;
  const { config } = loadConfig({ file, flags: { name: options.name } });
  if (context.hasOverrides)
    throw new UsageError(`a service has its configuration in its file: put it into ${configFile}`);
  for (const edge of ['http', 'grpc'] as const) {
    const { enabled, port } = config[edge];
    if (options.socketUnit !== true || !enabled || port !== 0) continue;
    throw new UsageError(`systemd cannot listen on "any free port": set ${edge}.port, or ${edge}.enabled: false`);
  }
  const { dataDir, socket, logFile } = resolvePaths({ ...config, dataDir: dataDirOf(config) });
  const { pidFile } = config.daemon;
  return {
    config,
    configFile,
    command: options.exec === undefined ? [process.execPath, realpathSync(process.argv[1] as string)] : [options.exec],
    dataDir,
    socket,
    writes: [...(logFile === null ? [] : [logFile]), ...(pidFile === '' ? [] : [resolve(pidFile)])],
    sockets: options.socketUnit === true,
  };
}

/** The service runs as root, whoever writes its unit. */
function dataDirOf({ dataDir, name }: WorkerConfig): string {
  return dataDir === '' ? `/var/lib/iluvatar/${name}` : dataDir;
}

function nameOnly({ name = 'worker' }: Options): { name: string } {
  return { name };
}

function unitFiles(settings: UnitSettings): [name: string, text: string][] {
  const unit = unitName(settings.config);
  const socket: [string, string][] = settings.sockets ? [[`${unit}.socket`, socketUnit(settings)]] : [];
  return [[`${unit}.service`, serviceUnit(settings)], ...socket];
}

/** A configuration that is there is somebody's; a missing one is begun, so that the service can start and be reloaded. */
function writeFiles(files: ServiceFiles, settings: UnitSettings): string[] {
  const written: string[] = [];
  const config = files.configPath(settings.configFile);
  if (!existsSync(config)) {
    files.write(config, configText(settings.config));
    written.push(config);
  }
  for (const [name, text] of unitFiles(settings)) {
    files.write(files.unitPath(name), text);
    written.push(files.unitPath(name));
  }
  return written;
}

async function tell(files: ServiceFiles, enable: boolean, unit: string, { sockets }: UnitSettings): Promise<void> {
  if (enable && !files.systemdRuns) throw new UsageError('there is no running systemd here to enable it with');
  if (!files.systemdRuns) return;
  await files.systemctl('daemon-reload');
  if (enable) await files.systemctl('enable', '--now', ...(sockets ? [`${unit}.socket`] : []), `${unit}.service`);
}

function configText({ name }: WorkerConfig): string {
  return `# Configuration of the Ilúvatar worker "${name}". Options: iluvatar config explain\nname: ${name}\n`;
}

function installedText({ unit, written }: { unit: string; written: string[] }, enabled: boolean): string {
  const next = enabled ? `${unit} runs: systemctl status ${unit}` : `start it with: systemctl enable --now ${unit}`;
  return `${written.map((path) => `wrote ${path}\n`).join('')}${next}\n`;
}
