import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Everything on this machine that carries our name: what a test run could leave behind. Read from /proc and the cgroup trees, without asking the
 * worker, since a worker that lost track of something would not report it.
 */
export interface Inventory {
  /** `pid start-time command`: a pid alone may be used again. */
  processes: string[];
  cgroups: string[];
  mounts: string[];
  networkNamespaces: string[];
  links: string[];
  sockets: string[];
  /** Sockets of containerd's shims, which lie in one folder whoever starts them: those of ours have no name of ours. */
  shimSockets: string[];
  /** Tables of nftables. */
  tables: string[];
  /** Temporary folders of ours; roots of private daemons are among them, with their containers, images and snapshots. */
  temporary: string[];
}

const OURS = /iluvatar|\bilu-/;

export function takeInventory(): Inventory {
  return {
    processes: processes(),
    cgroups: cgroups(),
    mounts: mounts(),
    networkNamespaces: namedNetworkNamespaces(),
    // As a worker names them, as the tests name their own, and as Docker names those that it makes for a worker.
    links: safeList('/sys/class/net').filter((name) =>
      /^il[0-9a-z]{6}(b\d+|v[0-9a-z]+)$|^ilt|^br-[0-9a-f]{12}$/.test(name),
    ),
    sockets: sockets(),
    shimSockets: safeList('/run/containerd/s'),
    tables: tables(),
    temporary: safeList(tmpdir())
      .filter((name) => OURS.test(name))
      .map((name) => join(tmpdir(), name)),
  };
}

/** What `now` has that `before` had not, one line each. */
export function difference(before: Inventory, now: Inventory): string[] {
  const lines: string[] = [];
  for (const kind of Object.keys(now) as (keyof Inventory)[]) {
    const known = new Set(before[kind]);
    for (const item of now[kind]) if (!known.has(item)) lines.push(`${kind}: ${item}`);
  }
  return lines;
}

function safeList(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function safeRead(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Processes of ours: by program, by the addon or cell library they map, or by a container's user id. */
function processes(): string[] {
  const own = ancestors();
  const found: string[] = [];
  for (const pid of safeList('/proc')) {
    if (!/^\d+$/.test(pid) || own.has(pid)) continue;
    const command = safeRead(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    const uid = Number(/^Uid:\s+(\d+)/m.exec(safeRead(`/proc/${pid}/status`))?.[1] ?? 0);
    let program = '';
    try {
      program = readlinkSync(`/proc/${pid}/exe`);
    } catch {
      // Ended meanwhile, or a kernel thread.
    }
    const isOurs =
      program.includes('iluvatar-launcher') ||
      program.includes('iluvatar-keeper') ||
      program.includes('shim-iluvatar') ||
      // Private daemons and runc's shims under them name their folder, which is in the temporary one; so do servers for metrics.
      (/\/(containerd|dockerd|containerd-shim\S*|runc|prometheus|influxd|python3[.0-9]*)$/.test(program) &&
        OURS.test(command)) ||
      /src\/agents\/|dist\/agents\/|iluvatar-launcher|\/\.store\//.test(command) ||
      (uid >= 210_000 && uid < 220_000);
    if (isOurs) found.push(`${pid} ${startTime(pid)} ${command.slice(0, 160)}`);
  }
  return found;
}

function startTime(pid: string): string {
  // The command in field 2 may hold spaces: count from the closing bracket.
  return safeRead(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? '';
}

function ancestors(): Set<string> {
  const pids = new Set<string>();
  let pid = `${process.pid}`;
  while (pid !== '0' && pid !== '' && !pids.has(pid)) {
    pids.add(pid);
    pid = /^PPid:\s+(\d+)/m.exec(safeRead(`/proc/${pid}/status`))?.[1] ?? '';
  }
  return pids;
}

function cgroups(): string[] {
  const found: string[] = [];
  const roots = safeRead('/proc/self/mounts')
    .split('\n')
    .filter((line) => /^\S+ \S+ cgroup2? /.test(line))
    .map((line) => line.split(' ')[1] as string);
  for (const root of roots) {
    for (const entry of safeList(root)) {
      const path = join(root, entry);
      if (!OURS.test(entry) || !existsSync(join(path, 'cgroup.procs'))) continue;
      found.push(path, ...below(path));
    }
    // Where Docker puts containers that are told no parent: ours all are.
    found.push(...below(join(root, 'docker'), 4));
  }
  return found;
}

function below(folder: string, depth = 0): string[] {
  if (depth > 4) return [];
  const found: string[] = [];
  for (const entry of safeList(folder)) {
    const path = join(folder, entry);
    if (existsSync(join(path, 'cgroup.procs'))) found.push(path, ...below(path, depth + 1));
  }
  return found;
}

function mounts(): string[] {
  return safeRead('/proc/self/mounts')
    .split('\n')
    .filter((line) => {
      const [source = '', path = '', , options = ''] = line.split(' ');
      return OURS.test(source) || OURS.test(path) || /name=ilu/.test(options);
    })
    .map((line) => line.split(' ').slice(0, 3).join(' '));
}

/** Of ours by their names; empty where there is no `nft`. */
function tables(): string[] {
  const { stdout } = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').filter((line) => /\b(il[0-9a-z]{6}|ilt\S*|iluvatar\S*)$/.test(line));
}

function namedNetworkNamespaces(): string[] {
  return ['/run/netns', '/var/run/netns'].flatMap((folder) =>
    safeList(folder)
      .filter((name) => OURS.test(name))
      .map((name) => join(folder, name)),
  );
}

function sockets(): string[] {
  return safeRead('/proc/net/unix')
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[7] ?? '')
    .filter((path) => OURS.test(path) || /agents\.sock$|worker\.sock$/.test(path));
}
