import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkerConfig, WorkerConfigInput } from '../../../../src/config/schema.js';
import { workerConfigSchema } from '../../../../src/config/schema.js';
import { temporaryFolder } from '../../../backends/support/temporary.js';

/** A machine that measures energy, made of files: what sysfs, /proc and /dev would hold there, and stand-ins for programs. A virtual machine has none of it. */
export class FakeMachine {
  readonly root = temporaryFolder();
  readonly #programs = join(this.root, 'programs');

  constructor() {
    // Also for the user that a test becomes.
    chmodSync(this.root, 0o755);
    mkdirSync(this.#programs);
  }

  /** The configuration of a worker on it. */
  config(energy: WorkerConfigInput['energy'] = {}): Pick<WorkerConfig, 'energy' | 'jetson'> {
    const { energy: parsed, jetson } = workerConfigSchema.parse({
      energy: {
        periodMs: 20,
        root: this.root,
        perf: { command: this.#path('perf') },
        nvidia: { command: this.#path('nvidia-smi') },
        ipmi: { command: this.#path('ipmitool'), timeoutMs: 5000 },
        ...energy,
      },
      jetson: { command: [this.#path('tegrastats')] },
    });
    return { energy: parsed, jetson };
  }

  /** Files below its root. */
  files(files: Readonly<Record<string, string | number>>): this {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.root, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${content}\n`);
    }
    return this;
  }

  mode(name: string, mode: number): this {
    chmodSync(join(this.root, name), mode);
    return this;
  }

  remove(name: string): this {
    rmSync(join(this.root, name), { recursive: true, force: true });
    return this;
  }

  /** A stand-in, and the files that it goes by. */
  program(
    name: 'perf' | 'ipmitool' | 'nvidia-smi' | 'tegrastats',
    controls: Readonly<Record<string, string>> = {},
  ): this {
    const source = fileURLToPath(new URL(name, import.meta.url));
    mkdirSync(dirname(this.#path(name)), { recursive: true });
    if (!existsSync(this.#path(name))) copyFileSync(source, this.#path(name));
    for (const [control, text] of Object.entries(controls)) this.control(name, control, text);
    return this;
  }

  control(name: string, control: string, text: string): void {
    const file = join(dirname(this.#path(name)), control);
    // Whole at once: it is read at any moment.
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  /** What a stand-in has left; null = nothing. */
  left(name: string, file: string): string | null {
    const path = join(dirname(this.#path(name)), file);
    return existsSync(path) ? readFileSync(path, 'utf8') : null;
  }

  /** Registers of a processor, in a file with holes as `/dev/cpu/N/msr` is one. */
  registers(cpu: number, values: Readonly<Record<number, number>>): this {
    const path = join(this.root, `dev/cpu/${cpu}/msr`);
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(path, existsSync(path) ? 'r+' : 'w+');
    for (const [register, value] of Object.entries(values)) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      writeSync(file, bytes, 0, 8, Number(register));
    }
    closeSync(file);
    return this;
  }

  /** Ends the registers before one of them: what is behind is not there. */
  cutRegisters(cpu: number, before: number): this {
    truncateSync(join(this.root, `dev/cpu/${cpu}/msr`), before);
    return this;
  }

  /** Processes that run programs of this machine: their command lines. */
  processes(): string[] {
    return [...this.#running().values()];
  }

  /** Ends them. */
  killAll(): void {
    for (const pid of this.#running().keys()) process.kill(pid, 'SIGKILL');
  }

  #running(): Map<number, string> {
    const found = new Map<number, string>();
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        if (command.includes(this.root)) found.set(Number(pid), command);
      } catch {
        // It has ended meanwhile.
      }
    }
    return found;
  }

  #path(program: string): string {
    return join(this.#programs, program, program);
  }
}

/** Runs as a user who may nothing: as root, modes of files say nothing. */
export async function asNobody<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65_534);
  try {
    return await run();
  } finally {
    process.seteuid?.(0);
  }
}

/** A processor with one package for each list of CPUs. */
export function topology(packages: readonly (readonly number[])[]): Record<string, number> {
  return Object.fromEntries(
    packages.flatMap((cpus, number) =>
      cpus.map((cpu) => [`sys/devices/system/cpu/cpu${cpu}/topology/physical_package_id`, number] as const),
    ),
  );
}

export function cpuinfo(vendor: string, family: number, model: number): Record<string, string> {
  const one = `vendor_id\t: ${vendor}\ncpu family\t: ${family}\nmodel\t\t: ${model}\nmodel name\t: Any of ${model} at 2 GHz\n`;
  return { 'proc/cpuinfo': `processor\t: 0\n${one}\nprocessor\t: 1\n${one}` };
}
