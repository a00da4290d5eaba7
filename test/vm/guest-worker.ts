import type { Client, WorkerConfigInput } from '../../src/index.js';
import type { Machine } from './machine.js';

/**
 * A worker in a machine, as a unit of systemd's. It is spoken to by functions of the test that are carried in as text and run there beside the installed package (`evaluator.mjs`).
 */

/** What a function that was carried in is given. It sees nothing else: its text alone goes there. */
export interface Inside {
  client: Client;
  /** Writes source files and registers them; the lines that registration said. */
  register(name: string, files: Record<string, string>, definition?: Record<string, unknown>): Promise<string[]>;
  /** What a promise rejects with; it must. */
  failure(
    promise: Promise<unknown>,
  ): Promise<{ errorClass: string; message: string; evidence: Record<string, number> }>;
  /** This file of every container's cgroup, of those that have it. */
  settings(file: string): string[];
  /** How long tasks of the machine have waited for memory since it was started; µs. */
  pressure(): number;
  /** Asks until the answer is true; rejects after two minutes. */
  until(what: string, holds: () => Promise<boolean> | boolean): Promise<void>;
}

const PACKAGE = '/usr/lib/iluvatar';
/** The package's own disk is no leftover, and neither is what runs the tests' functions. As few programs as can be: emulated, one for each process of the machine takes half a minute. */
const LEFTOVERS = `
find /sys/fs/cgroup/iluvatar -type d 2>/dev/null | sed 's/^/cgroup /'
grep iluvatar /proc/mounts | grep -v ' ${PACKAGE} ' | sed 's/^/mount /'
find /run/netns -mindepth 1 2>/dev/null | sed 's/^/namespace /'
ls /sys/class/net | grep -v '^lo$' | sed 's/^/link /'
find /run /tmp -name '*iluvatar*' -type s 2>/dev/null | sed 's/^/socket /'
cd /var/lib/iluvatar && find . -mindepth 3 '(' -path './*/run/*' -o -path './*/staging/*' -o -path './*/networks-*/*' ')' | sed 's/^/file /'
find /proc/[0-9]*/exe -maxdepth 0 -printf '%h %l\\n' 2>/dev/null | while read -r folder target; do
  case $target in */node|*/python3*|*/iluvatar-*)
    grep -v '/evaluator.service$' $folder/cgroup > /dev/null 2>&1 && echo "process $target" ;;
  esac
done
true`;
const READY_MS = 300_000;
const EVALUATE_MS = 500_000;

export class GuestWorker {
  readonly machine: Machine;
  readonly name: string;

  private constructor(machine: Machine, name: string) {
    this.machine = machine;
    this.name = name;
  }

  get unit(): string {
    return `iluvatar-${this.name}.service`;
  }

  /** Writes a unit for it, starts it, and waits until it answers. It is not started with the machine. */
  static async install(machine: Machine, name: string, config: WorkerConfigInput = {}): Promise<GuestWorker> {
    const worker = new GuestWorker(machine, name);
    await worker.configure(config);
    await machine.write(`/etc/systemd/system/${worker.unit}`, unitText(name));
    await machine.output('systemctl daemon-reload');
    await worker.start();
    return worker;
  }

  /** As an operator does it: with the unit that the package writes. */
  static async installService(machine: Machine, name: string, config: WorkerConfigInput = {}): Promise<GuestWorker> {
    const worker = new GuestWorker(machine, name);
    await worker.configure(config);
    const limitMs = READY_MS;
    await machine.output(`iluvatar install-service --config ${worker.configFile} --enable`, { limitMs });
    await worker.ready();
    return worker;
  }

  get configFile(): string {
    return `/etc/iluvatar/${this.name}.json`;
  }

  /** Writes its configuration file; it is told by nobody. */
  async configure(config: WorkerConfigInput): Promise<void> {
    await this.machine.write(this.configFile, JSON.stringify({ ...config, name: this.name }));
  }

  /** What systemd says of its unit. */
  async property(name: string): Promise<string> {
    return (await this.machine.output(`systemctl show --value -p ${name} ${this.unit}`)).trim();
  }

  async start(): Promise<void> {
    await this.machine.output(`systemctl start ${this.unit}`);
    await this.ready();
  }

  /** Waits until it answers. Rejects with what it has logged. */
  async ready(): Promise<void> {
    try {
      await this.evaluate(async ({ client }) => (await client.ping()).pong, null, { patienceMs: READY_MS });
    } catch (error) {
      throw new Error(`${this.unit} is not ready: ${(error as Error).message}\n${await this.log()}`);
    }
  }

  async stop(): Promise<void> {
    await this.machine.output(`systemctl stop ${this.unit}`);
  }

  /** Stops it and takes its unit away; for the end of a suite, whatever state that left it in. */
  async remove(): Promise<void> {
    const units = '/etc/systemd/system';
    await this.machine.run(`systemctl stop ${this.unit}; rm -f ${units}/${this.unit} ${units}/*.wants/${this.unit}`);
  }

  /** What of it is on the machine while it is down, one line each: cgroups, mounts, network namespaces and links, sockets, unfinished files, processes. */
  async leftovers(): Promise<string[]> {
    const found = await this.machine.output(LEFTOVERS);
    return found.split('\n').filter((line) => line !== '');
  }

  /** The end of what systemd has of it, and of its own log. */
  async log(): Promise<string> {
    const own = `/var/lib/iluvatar/${this.name}/log/worker.log`;
    return (await this.machine.run(`systemctl status --no-pager -n 20 ${this.unit}; tail -n 20 ${own}`)).stdout;
  }

  /**
   * Runs `body` in the machine and gives back what it resolves with, which must be JSON, as `given` must. `body` cannot use anything of where it is written: no imports, no variables outside it.
   */
  async evaluate<T, A = null>(
    body: (inside: Inside, given: A) => Promise<T>,
    given: A = null as A,
    { patienceMs = 0 }: { patienceMs?: number } = {},
  ): Promise<T> {
    const evaluator = await this.machine.evaluator();
    const evaluation = { worker: this.name, body: `${body}`, given, patienceMs };
    return (await evaluator.evaluate(evaluation, EVALUATE_MS + patienceMs)) as T;
  }
}

/** As little as a unit needs: what is shipped with the package is tested by its own suite. */
function unitText(name: string): string {
  return `[Unit]
Description=Iluvatar worker ${name}

[Service]
ExecStart=/usr/local/bin/iluvatar worker --config /etc/iluvatar/${name}.json
Delegate=yes
KillMode=process
TimeoutStopSec=120
`;
}
