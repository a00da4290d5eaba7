import { ENERGY_SOURCES } from '../../config/energy-source-names.js';
import type { EnergySourceFacts } from '../../telemetry/energy/energy-source.js';
import type { SourceTrial } from '../../telemetry/energy/open-source.js';
import { action, type CommandHost } from '../command-host.js';
import { paint } from '../output.js';

/** `iluvatar energy sources`: each source, whether it can be read here, and what grants access to it. */

export function addEnergySourcesCommand(host: CommandHost): void {
  host
    .add('sources', 'try every source of energy, and say what grants access to those that cannot be read', [
      'energy sources',
      'energy sources --set energy.ipmi.address=10.0.0.9 --set energy.ipmi.passwordFile=/etc/ipmi.password',
      'energy sources --json | jq -r \'.[] | select(.state == "forbidden") | .remedy\'',
    ])
    .action(
      action(async (context) => {
        const { config } = await context.load();
        const { makeEnergySource, tryEnergySources } = await import('../../telemetry/energy/open-source.js');
        const trials = await tryEnergySources(ENERGY_SOURCES, config);
        const rows = trials.map((trial) => rowOf(trial, makeEnergySource(trial.name, config).facts));
        context.print(rows, (all) => all.map(rowText).join(''));
      }),
    );
}

type SourceRow = EnergySourceFacts & {
  readonly name: string;
  readonly state: 'ok' | 'missing' | 'forbidden' | 'failed';
  readonly message: string | null;
  readonly remedy: string | null;
  readonly domains: readonly string[];
};

function rowOf({ name, error, reading }: SourceTrial, facts: EnergySourceFacts): SourceRow {
  return {
    name,
    state: error?.code ?? 'ok',
    message: error?.message ?? null,
    remedy: error?.remedy ?? null,
    domains: reading?.domains.map((domain) => domain.name) ?? [],
    ...facts,
  };
}

function rowText(row: SourceRow): string {
  const colour = row.state === 'ok' ? 'green' : row.state === 'missing' ? 'dim' : 'yellow';
  const line = `${row.name.padEnd(10)}  ${paint(colour, row.state.padEnd(9))}`;
  const rest = (title: string, text: string): string => `${' '.repeat(23)}${title.padEnd(8)} ${text}\n`;
  if (row.state !== 'ok') return `${line}  ${row.message}\n`;
  return `${line}  ${row.domains.join(', ')}\n${rest('covers', row.covers)}${rest('accuracy', row.accuracy)}${rest('cost', row.cost)}`;
}
