import { SystemFiles } from './system-files.js';

/** What board this is, by what its device tree and NVIDIA's packages say: read once, without starting anything. Null = this is no Jetson. */
export interface JetsonBoard {
  /** As the device tree has it, such as `NVIDIA Jetson AGX Orin Developer Kit`. */
  readonly model: string;
  /** Its chip, such as `tegra234`; null = not said. */
  readonly chip: string | null;
  /** Release of Jetson Linux (L4T), such as `36.4.3`; null = not said. */
  readonly l4t: string | null;
  /** The JetPack generation that this release belongs to, such as `6`; null = not known. */
  readonly jetpack: string | null;
  /** As nvpmodel left it: number of the power mode, and its name in nvpmodel.conf; null = not said. */
  readonly powerMode: { readonly id: number; readonly name: string | null } | null;
  /** Of CPU and GPU together; MiB, null = not said. */
  readonly memoryMb: number | null;
}

export function detectBoard(root = '/'): JetsonBoard | null {
  const files = new SystemFiles(root);
  const compatible = (files.textNow('proc/device-tree/compatible') ?? '').match(/nvidia,(tegra\d+)/);
  const release = files.textNow('etc/nv_tegra_release');
  const model = files.textNow('proc/device-tree/model') ?? '';
  // A container may lack /etc of the board, and a recorded tree the device tree: each is enough.
  if (compatible === null && release === null && !/\bjetson\b/i.test(model)) return null;
  const l4t = release === null ? null : l4tOf(release);
  return {
    model: model === '' ? 'NVIDIA Jetson' : model,
    chip: compatible?.[1] ?? null,
    l4t,
    jetpack: l4t === null ? null : jetpackOf(l4t),
    powerMode: powerMode(files),
    memoryMb: memoryMb(files),
  };
}

/** `# R36 (release), REVISION: 4.3, GCID: …` → `36.4.3` */
function l4tOf(release: string): string | null {
  const match = /R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)/.exec(release);
  return match === null ? null : `${match[1]}.${match[2]}`;
}

const JETPACK_BY_L4T: Readonly<Record<string, string>> = {
  '24': '2',
  '27': '3',
  '28': '3',
  '31': '4',
  '32': '4',
  '34': '5',
  '35': '5',
  '36': '6',
  '38': '7',
  '39': '7',
};

function jetpackOf(l4t: string): string | null {
  return JETPACK_BY_L4T[l4t.split('.')[0] as string] ?? null;
}

/** `pmode:0002` in nvpmodel's own record; the name stands in its configuration: `< POWER_MODEL ID=2 NAME=MODE_30W >`. */
function powerMode(files: SystemFiles): JetsonBoard['powerMode'] {
  const match = /pmode:(\d+)/.exec(files.textNow('var/lib/nvpmodel/status') ?? '');
  if (match === null) return null;
  const id = Number(match[1]);
  const names = (files.textNow('etc/nvpmodel.conf') ?? '').matchAll(
    /^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>/gm,
  );
  for (const [, number, name] of names) if (Number(number) === id) return { id, name: name as string };
  return { id, name: null };
}

function memoryMb(files: SystemFiles): number | null {
  const match = /^MemTotal:\s+(\d+) kB$/m.exec(files.textNow('proc/meminfo') ?? '');
  return match === null ? null : Math.floor(Number(match[1]) / 1024);
}
