import { action, type CommandHost } from './command-host.js';
import type { Finding } from './doctor/finding.js';
import { EXIT } from './exit-codes.js';
import { paint } from './output.js';

/** `iluvatar doctor`: what this machine allows, what each thing would give, and what to do about what is missing. Changes nothing. */

export function addDoctorCommand(host: CommandHost): void {
  host
    .add('doctor', `say what this machine allows; exits ${EXIT.failed} when a worker cannot run here`, [
      'doctor',
      'doctor --json | jq \'.findings[] | select(.state != "ok")\'',
    ])
    .action(
      action(async (context) => {
        const { config } = await context.load();
        const [
          { hostFindings },
          { cgroupFindings },
          { sandboxFindings },
          { networkFindings },
          { engineFindings },
          { runtimeFindings },
          { jetsonFindings },
          { resolveDataDir },
        ] = await Promise.all([
          import('./doctor/host.js'),
          import('./doctor/cgroups.js'),
          import('./doctor/sandbox.js'),
          import('./doctor/network.js'),
          import('./doctor/engines.js'),
          import('./doctor/runtimes.js'),
          import('./doctor/jetson.js'),
          import('../config/paths.js'),
        ]);
        const findings = [
          ...hostFindings(resolveDataDir(config)),
          ...cgroupFindings(config.cgroup),
          ...sandboxFindings(),
          ...networkFindings(config.network),
          ...(await engineFindings(config)),
          ...(await runtimeFindings(config.sandbox.python)),
          ...(await jetsonFindings(config.jetson)),
        ];
        const usable = findings.every(({ state, required }) => state !== 'missing' || !required);
        context.print({ usable, findings }, () => reportText(usable, findings));
        if (!usable) process.exitCode = EXIT.failed;
      }),
    );
}

function reportText(usable: boolean, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines: string[] = [];
  let group = '';
  for (const entry of findings) {
    if (entry.group !== group) lines.push(...(group === '' ? [] : ['']), paint('bold', entry.group));
    group = entry.group;
    lines.push(`  ${mark(entry)} ${entry.name.padEnd(width)}  ${entry.found}`);
    if (entry.state === 'ok') continue;
    const indent = ' '.repeat(width + 12);
    lines.push(`${indent}gives: ${entry.gives}`);
    if (entry.advice !== '') lines.push(`${indent}to do: ${entry.advice}`);
  }
  const count = (state: Finding['state']): number => findings.filter((entry) => entry.state === state).length;
  lines.push('', `${count('ok')} ok, ${count('warn')} to look at, ${count('missing')} missing`);
  lines.push(usable ? paint('green', 'a worker can run here') : paint('red', 'a worker cannot run here'));
  return `${lines.join('\n')}\n`;
}

function mark({ state }: Finding): string {
  const text = state.padEnd(7);
  return paint(state === 'ok' ? 'green' : state === 'warn' ? 'yellow' : 'red', text);
}
