import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { WorkerConfigInput } from '../../../src/config/schema.js';
import type { AddressLease, NamespaceLease } from '../../../src/net/leases.js';

export interface Left {
  readonly bridged: AddressLease[];
  readonly isolated: NamespaceLease[];
}

/**
 * What a process that is killed leaves: it opens the networks, takes so many leases of each kind, tells of them in JSON, and ends by SIGKILL. Namespaces that
 * it made ahead are left too.
 */
export async function leaveBehind(
  network: WorkerConfigInput['network'],
  name: string,
  folder: string,
  counts: { bridged: number; isolated?: number },
): Promise<Left> {
  const program = `
    const { NetworksRig, taken } = await import(${JSON.stringify(new URL('./rig.ts', import.meta.url).href)});
    const { networks } = await new NetworksRig(${JSON.stringify([network, name, folder]).slice(1, -1)}).open();
    const left = { bridged: [], isolated: [] };
    for (let i = 0; i < ${counts.bridged}; i++) left.bridged.push(await taken(networks.bridged));
    for (let i = 0; i < ${counts.isolated ?? 0}; i++) left.isolated.push(await taken(networks.isolated));
    process.stdout.write(JSON.stringify(left) + '\\n');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
  const ended = once(child, 'exit');
  let told = '';
  let problems = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    told += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    problems += chunk;
  });
  try {
    while (!told.endsWith('\n') && child.exitCode === null) {
      await Promise.race([once(child.stdout, 'data'), ended]);
    }
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
  if (problems !== '') throw new Error(problems);
  return JSON.parse(told) as Left;
}
