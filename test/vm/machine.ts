import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { command } from '../support/command.js';
import { EVALUATOR, Evaluator } from './evaluator.js';
import { type Executed, GuestAgent } from './guest-agent.js';
import { makePackageDisk } from './image/package-disk.js';
import { rootImage } from './image/root-image.js';

/**
 * A virtual machine of a test's own: Debian with systemd, cgroup v2, two cores, swap, and the package installed. It is emulated, so it needs nothing of the host's processor and is ten
 * times slower; it has no network but loopback. Its disk is a layer above an image that all share, and goes with it.
 *
 * A power cut is one: the emulator is killed. What the guest has synced is in the layer's file then, because a flush reaches it before it is answered (cache=writeback); what it has not is lost, except
 * what its kernel wrote of its own accord. Not promised: that such writes reach the disk in any order.
 */
export interface MachineOptions {
  memoryMb?: number;
  /** Size of its swap; 0 = it has none. */
  swapMb?: number;
}

/** Long beyond reason: the host may be busy with other suites. */
const BOOT_MS = 300_000;
const RUN_MS = 180_000;
const DOWN_MS = 240_000;
const CORES = 2;
const EVALUATOR_PORT = 'iluvatar.evaluator';

export class Machine implements AsyncDisposable {
  readonly #folder: string;
  readonly #kernel: string;
  readonly #options: Required<MachineOptions>;
  #emulator: ChildProcess | null = null;
  #agent: GuestAgent | null = null;
  #evaluator: Evaluator | null = null;
  #evaluatorRuns = false;

  private constructor(folder: string, kernel: string, options: Required<MachineOptions>) {
    this.#folder = folder;
    this.#kernel = kernel;
    this.#options = options;
  }

  /** Makes its disks and boots it. */
  static async start({ memoryMb = 1536, swapMb = 256 }: MachineOptions = {}): Promise<Machine> {
    const image = await rootImage();
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-machine-'));
    const machine = new Machine(folder, image.kernel, { memoryMb, swapMb });
    try {
      const layer = join(folder, 'root.qcow2');
      await command('qemu-img', 'create -q -f qcow2 -F raw -b'.split(' ').concat(image.disk, layer));
      await makePackageDisk(join(folder, 'package.img'));
      if (swapMb > 0) await makeSwap(join(folder, 'swap.img'), swapMb);
      await machine.boot();
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Switches it on, and waits until it has started everything. It must be off. */
  async boot(): Promise<void> {
    if (this.#emulator !== null) throw new Error('the machine is on');
    // A test process that is killed takes its machine with it.
    const args = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...this.#arguments()];
    const emulator = spawn('setpriv', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#emulator = emulator;
    let said = '';
    emulator.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    const socket = this.#path('agent.sock');
    while (!existsSync(socket)) {
      const { exitCode, signalCode } = emulator;
      if ((exitCode ?? signalCode) !== null)
        throw new Error(`the emulator ended with ${exitCode ?? signalCode}: ${said}`);
      await pause(20);
    }
    this.#evaluator = await Evaluator.connect(this.#path('evaluator.sock'));
    this.#agent = await GuestAgent.connect(socket);
    await this.#started();
  }

  /** Runs a line of shell as root. Rejects when it has not ended in time; then it is killed. */
  async run(
    line: string,
    { stdin = '', limitMs = RUN_MS }: { stdin?: string; limitMs?: number } = {},
  ): Promise<Executed> {
    if (this.#agent === null) throw new Error('the machine is off');
    const seconds = Math.ceil(limitMs / 1000);
    const args = ['--kill-after=5', `${seconds}`, '/bin/sh', '-c', line];
    // In the guest first, so that nothing of it goes on; the host's limit is for a guest that hangs.
    return await this.#agent.execute('/usr/bin/timeout', args, stdin, limitMs + 60_000);
  }

  /** As `run`, for a line that must succeed: its output. */
  async output(line: string, options: { stdin?: string; limitMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(line, options);
    if (code !== 0) throw new Error(`"${line}" ended with ${code}: ${stderr.trim()}\n${stdout.trim()}`);
    return stdout.trim();
  }

  async write(path: string, text: string): Promise<void> {
    await this.output(`mkdir -p "$(dirname '${path}')" && cat > '${path}'`, { stdin: text });
  }

  /** What runs the tests' functions in it; started when it is first wanted. */
  async evaluator(): Promise<Evaluator> {
    if (this.#evaluator === null) throw new Error('the machine is off');
    if (!this.#evaluatorRuns) {
      this.#evaluatorRuns = true;
      await this.write('/run/evaluator.mjs', EVALUATOR);
      const program = `node /run/evaluator.mjs /dev/virtio-ports/${EVALUATOR_PORT}`;
      await this.output(`systemd-run --quiet --unit=evaluator ${program}`);
    }
    return this.#evaluator;
  }

  /** As an operator does it: every service is stopped first. It is off afterwards; `boot` switches it on again. */
  async shutDown(): Promise<void> {
    const emulator = this.#emulator;
    if (emulator === null) throw new Error('the machine is off');
    const down = once(emulator, 'exit', { signal: AbortSignal.timeout(DOWN_MS) }).then(
      () => true,
      () => false,
    );
    // A moment later, so that the answer is here before the agent is stopped.
    await this.output('systemd-run --quiet --on-active=1 systemctl poweroff');
    if (!(await down)) throw new Error(`the machine has not gone down:\n${this.#console()}`);
    await this.cutPower();
  }

  /** What is on its disk while it is off: a file's text, and what ext4 says of the whole, one line each. */
  async disk(path: string): Promise<{ text: string; fileSystem: string }> {
    const raw = this.#path('root.raw');
    await command('qemu-img', ['convert', '-O', 'raw', this.#path('root.qcow2'), raw]);
    const text = await command('debugfs', ['-R', `cat ${path}`, raw]);
    return { text, fileSystem: await command('dumpe2fs', ['-h', raw]) };
  }

  /** Whatever it does: nothing is stopped, nothing is written. It is off afterwards; `boot` switches it on again. */
  async cutPower(): Promise<void> {
    const emulator = this.#emulator;
    this.#emulator = null;
    this.#agent?.close();
    this.#agent = null;
    this.#evaluator?.close();
    this.#evaluator = null;
    this.#evaluatorRuns = false;
    if (emulator === null) return;
    if (emulator.exitCode === null && emulator.signalCode === null) {
      const ended = once(emulator, 'exit');
      emulator.kill('SIGKILL');
      await ended;
    }
    for (const name of ['agent.sock', 'evaluator.sock']) rmSync(this.#path(name), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Every unit that starts by itself has, or has failed to. */
  async #started(): Promise<void> {
    try {
      await this.#agent?.awake(BOOT_MS);
      await this.run('systemctl is-system-running --wait', { limitMs: BOOT_MS });
      if (this.#options.swapMb > 0) await this.output('swapon /dev/nvme0n3');
    } catch (error) {
      throw new Error(`the machine has not started: ${(error as Error).message}\n${this.#console()}`);
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** The end of what the kernel and systemd wrote on their serial line. */
  #console(): string {
    const file = this.#path('console.log');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-25).join('\n') : '';
  }

  #arguments(): string[] {
    // Namespaces of one controller are numbered as they are told to be; controllers are numbered as they happen to be found.
    const disks: [string, string][] = [
      ['root', `file=${this.#path('root.qcow2')},format=qcow2,cache=writeback`],
      ['package', `file=${this.#path('package.img')},format=raw,readonly=on`],
    ];
    if (this.#options.swapMb > 0) disks.push(['swap', `file=${this.#path('swap.img')},format=raw,cache=unsafe`]);
    return [
      ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', `${CORES}`],
      ...['-m', `${this.#options.memoryMb}`, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-kernel', this.#kernel, '-append', 'root=/dev/nvme0n1 ro console=ttyS0 quiet mitigations=off panic=-1'],
      ...['-device', 'nvme,id=nvme,serial=disks'],
      ...disks.flatMap(([id, options], index) => [
        ...['-drive', `if=none,id=${id},${options}`],
        ...['-device', `nvme-ns,drive=${id},bus=nvme,nsid=${index + 1}`],
      ]),
      ...['-serial', `file:${this.#path('console.log')}`],
      ...['-device', 'virtio-serial-pci'],
      // In this order: once the last socket is there, the others are.
      ...this.#port('evaluator', EVALUATOR_PORT),
      ...this.#port('agent', 'org.qemu.guest_agent.0'),
    ];
  }

  /** A serial port of that name in the machine, which is a socket here. */
  #port(id: string, name: string): string[] {
    const socket = `socket,id=${id},path=${this.#path(`${id}.sock`)},server=on,wait=off`;
    return ['-chardev', socket, '-device', `virtserialport,chardev=${id},name=${name}`];
  }
}

async function makeSwap(file: string, megabytes: number): Promise<void> {
  writeFileSync(file, '', { mode: 0o600 });
  truncateSync(file, megabytes * 1024 * 1024);
  await command('mkswap', [file]);
}
