import type { WorkerConfig } from '../../config/schema.js';
import { LEFT_OUT, MOUNTS, PROTECTIONS } from './hardening.js';

/** The text of the unit files: what systemd is told of a worker. Decides only; writes nothing. */

export interface UnitSettings {
  config: WorkerConfig;
  /** Absolute; read again at each reload. */
  configFile: string;
  /** What runs `iluvatar`: a program and arguments before the command's own. */
  command: readonly string[];
  /** Absolute: what the worker writes. */
  dataDir: string;
  socket: string;
  /** Files that lie elsewhere: the log, the pid file. */
  writes: readonly string[];
  /** systemd listens, and hands its sockets over. */
  sockets: boolean;
}

/** Beside `drainMs`: containers and engines are to be put away, too. */
const BESIDE_DRAIN_S = 30;
const STATE_ROOT = '/var/lib/';
/** pid, log, sockets, and a container's handful of descriptors, a thousand times over. */
const OPEN_FILES = 1_048_576;

export function unitName({ name }: Pick<WorkerConfig, 'name'>): string {
  return name === 'worker' ? 'iluvatar' : `iluvatar-${name}`;
}

export function serviceUnit(settings: UnitSettings): string {
  const { config, sockets } = settings;
  const unit = unitName(config);
  const engines = [...(config.backends.containerd.enabled ? ['containerd'] : []), ...dockerOf(config)];
  const after = ['network-online.target', ...engines.map((engine) => `${engine}.service`)];
  const lines = [
    '[Unit]',
    `Description=Ilúvatar worker ${config.name}`,
    'Wants=network-online.target',
    `After=${[...after, ...(sockets ? [`${unit}.socket`] : [])].join(' ')}`,
    ...(sockets ? [`Requires=${unit}.socket`] : []),
    'StartLimitIntervalSec=300',
    'StartLimitBurst=10',
    '',
    '[Service]',
    '# Not notify-reload (systemd 253): its protocol has no word for a reload that was refused, and `systemctl reload` would always succeed.',
    'Type=notify',
    'NotifyAccess=main',
    `ExecStart=${execLine([...settings.command, 'worker', '--config', settings.configFile])}`,
    '# Waits for the reload and fails with it. SIGHUP does the same without an answer.',
    `ExecReload=${execLine([...settings.command, 'reload', '--config', settings.configFile])}`,
    'Restart=on-failure',
    'RestartSec=1',
    '# A wrong command line or configuration (exit codes 2 and 7) does not become right by trying again.',
    'RestartPreventExitStatus=2 7',
    '# Told by the main thread, and only while the others live.',
    'WatchdogSec=30',
    'TimeoutStartSec=300',
    '# drainMs and time to put containers away; a worker that needs longer says so.',
    `TimeoutStopSec=${Math.ceil(config.drainMs / 1000) + BESIDE_DRAIN_S}`,
    '# SIGTERM is for the worker, which ends its containers itself. What outlives a worker that was killed is kept on purpose:',
    '# the next one takes its warm containers over, and removes what it does not need.',
    'KillMode=process',
    '',
    ...stateLines(settings),
    '# A place for `socket`, should the configuration put it there.',
    `RuntimeDirectory=iluvatar/${config.name}`,
    'RuntimeDirectoryMode=0755',
    '# systemd leaves cgroups alone that are made below the unit’s own.',
    'Delegate=yes',
    'TasksMax=infinity',
    'UMask=0022',
    `LimitNOFILE=${OPEN_FILES}`,
    'LimitNPROC=infinity',
    '# A container that runs out of memory is answered for by the worker; it is no failure of the unit.',
    'OOMPolicy=continue',
    'OOMScoreAdjust=-500',
    '# Descriptors that a worker may leave with systemd for the next one.',
    'FileDescriptorStoreMax=64',
    '',
    ...PROTECTIONS.flatMap(protection),
    ...mountLines(settings, engines),
    '# Left out:',
    ...LEFT_OUT.map(([directive, why]) => `#   ${directive}: ${why}.`),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    ...(sockets ? [`Also=${unit}.socket`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function listenStream({ enabled, address, port }: WorkerConfig['http' | 'grpc']): string[] {
  return enabled ? [`ListenStream=${address.includes(':') ? `[${address}]` : address}:${port}`] : [];
}

export function socketUnit({ config, socket }: UnitSettings): string {
  const lines = [
    '[Unit]',
    `Description=Sockets of the Ilúvatar worker ${config.name}`,
    '',
    '[Socket]',
    '# The worker tells them apart by their kind. Connections wait in them while it starts again.',
    ...[config.http, config.grpc].flatMap(listenStream),
    `ListenStream=${escapeSpecifiers(socket)}`,
    `SocketMode=${config.socketMode.padStart(4, '0')}`,
    'DirectoryMode=0700',
    'Backlog=1024',
    'RemoveOnStop=yes',
    '',
    '[Install]',
    'WantedBy=sockets.target',
  ];
  return `${lines.join('\n')}\n`;
}

function dockerOf({ backends }: WorkerConfig): string[] {
  return backends.docker.enabled ? ['docker'] : [];
}

function protection([directive, why]: readonly [string, string]): string[] {
  return why === '' ? [directive] : [`# ${why}`, directive];
}

/** systemd makes the folder where its rules have a place for it. */
function stateLines({ dataDir }: UnitSettings): string[] {
  if (!dataDir.startsWith(STATE_ROOT)) return [];
  return [`StateDirectory=${escapeSpecifiers(dataDir.slice(STATE_ROOT.length))}`, 'StateDirectoryMode=0700'];
}

function mountLines({ dataDir, socket, writes }: UnitSettings, engines: readonly string[]): string[] {
  if (engines.length > 0) {
    const names = MOUNTS.map(([directive]) => directive.split('=')[0]).join(', ');
    const why = `${engines.join(' and ')} could not follow into a mount namespace of the worker's own`;
    return [`# Left out for the sake of its engines: ${names}: ${why}.`];
  }
  const folders = [dataDir, folderOf(socket), ...writes.map(folderOf)].filter((path) => !path.startsWith('/run/'));
  // "-": one that is not there yet is no error. /tmp: pip builds there.
  const paths = [...new Set(['/tmp', '/var/tmp', '/run', ...folders])].map((path) => quote(`-${path}`));
  return [...MOUNTS.flatMap(protection), `ReadWritePaths=${paths.join(' ')}`];
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

/** A command line as systemd splits it: `$` begins a variable there, and `%` a specifier. */
function execLine(words: readonly string[]): string {
  return words.map((word) => quote(word).replaceAll('$', '$$$$')).join(' ');
}

function quote(word: string): string {
  const escaped = escapeSpecifiers(word);
  if (/^[\w@%+=:,./-]+$/.test(word)) return escaped;
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%');
}
