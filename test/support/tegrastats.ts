import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A fake tegrastats, since there is no Jetson here: a real program with its command line that writes a line at each interval, or does what goes wrong with the real one. What it does is read at each
 * interval from a file, so a test can change its mind while it runs.
 */
export type Behaviour =
  | { readonly do: 'say'; readonly lines: readonly string[] }
  /** It runs, and says nothing. */
  | { readonly do: 'stall' }
  | { readonly do: 'die'; readonly message: string }
  /** Bytes that are no text, and words that are none of its own. */
  | { readonly do: 'rubbish' }
  /** As fast as it can. */
  | { readonly do: 'flood' };

export class FakeTegrastats {
  readonly folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-tegrastats-'));
  readonly program = join(this.folder, 'tegrastats');

  constructor(behaviour: Behaviour) {
    this.behave(behaviour);
    writeFileSync(this.program, SCRIPT, { mode: 0o755 });
  }

  behave(behaviour: Behaviour): void {
    const file = join(this.folder, 'behaviour.json');
    // In one step: it may be reading.
    writeFileSync(`${file}.new`, JSON.stringify(behaviour));
    renameSync(`${file}.new`, file);
  }

  /** A line of an Orin Nano (JetPack 6) with this load of its GPU. */
  load(percent: number): void {
    this.behave({ do: 'say', lines: [orinLine(percent)] });
  }

  /** Of all that were started, in that order. */
  get pids(): number[] {
    const file = join(this.folder, 'pids');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
  }

  /** Those that live. */
  get living(): number[] {
    return this.pids.filter((pid) => {
      try {
        return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      } catch {
        return false;
      }
    });
  }

  remove(): void {
    for (const pid of this.living) process.kill(pid, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function orinLine(gpuPercent: number, inputMw = 5251): string {
  return (
    '10-08-2026 04:38:21 RAM 1343/7620MB (lfb 157x4MB) SWAP 165/3810MB (cached 3MB) CPU [0%@1497,0%@729,0%@729,0%@729,0%@729,0%@729] ' +
    `EMC_FREQ 15%@204 GR3D_FREQ ${gpuPercent}%@[305] NVDEC off NVJPG off VIC off OFA off APE 200 cpu@48.562C soc2@46.593C gpu@49.625C tj@49.312C ` +
    `VDD_IN ${inputMw}mW/8535mW VDD_CPU_GPU_CV 512mW/1944mW VDD_SOC 2720mW/3659mW`
  );
}

const SCRIPT = `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const folder = dirname(__filename);
const at = process.argv.indexOf('--interval');
if (at < 0) {
  console.error('usage: tegrastats --interval MS');
  process.exit(2);
}
appendFileSync(join(folder, 'pids'), process.pid + '\\n');
let turn = 0;
let flooding = false;
setInterval(() => {
  const behaviour = JSON.parse(readFileSync(join(folder, 'behaviour.json'), 'utf8'));
  switch (behaviour.do) {
    case 'say':
      process.stdout.write(behaviour.lines[turn++ % behaviour.lines.length] + '\\n');
      return;
    case 'die':
      console.error(behaviour.message);
      process.exit(1);
      return;
    case 'rubbish':
      process.stdout.write(Buffer.from([0, 255, 27, 91, 128, 10, 0]));
      process.stdout.write('Unknown command ][ @% 17/\\n');
      return;
    case 'flood': {
      if (flooding) return;
      flooding = true;
      const more = () => process.stdout.write('#'.repeat(65536), more);
      more();
      return;
    }
  }
}, Number(process.argv[at + 1]));
`;
