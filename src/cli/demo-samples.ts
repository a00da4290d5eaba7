import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FunctionDefinitionInput } from '../config/api.js';
import { PACKAGE_ROOT } from '../package-files.js';

/** The sample functions of this package, as a demonstration registers them. */

export interface Sample {
  definition: FunctionDefinitionInput;
  /** Packages that have to be downloaded at registration. */
  downloads: string[];
}

/** Heavy libraries need more than the default; MiB. */
const MEMORY_MB: Readonly<Record<string, number>> = {
  image_processing: 256,
  lin_pack: 256,
  model_training: 512,
  video_processing: 512,
};

/** Every folder of `functions/` that holds something a worker can run as it is. */
export function findSamples(): Sample[] {
  const folder = join(PACKAGE_ROOT, 'functions');
  const samples: Sample[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const source = join(folder, entry.name);
    const runnable = ['main.py', 'index.js'].some((file) => existsSync(join(source, file)));
    if (!entry.isDirectory() || !runnable) continue;
    const memoryMb = MEMORY_MB[entry.name];
    const definition = { name: entry.name, source, ...(memoryMb === undefined ? {} : { memoryMb }) };
    samples.push({ definition, downloads: downloadsOf(source) });
  }
  // `hello` first: it is the one that is run.
  return samples.sort((a, b) => Number(b.definition.name === 'hello') - Number(a.definition.name === 'hello'));
}

function downloadsOf(source: string): string[] {
  const requirements = join(source, 'requirements.txt');
  if (!existsSync(requirements)) return [];
  return readFileSync(requirements, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
