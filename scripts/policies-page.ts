import { readFileSync } from 'node:fs';
import { POLICY_KEYS, parameterText } from '../src/cli/policies.js';
import { policyDescriptions } from '../src/core/policies.js';
import type { PolicyDescription, PolicyFamily } from '../src/core/policy.js';

/** docs/policies.md: what the policies say of themselves, and the comparison that was measured last (docs/policies/). */
export function policiesPage(): string {
  const families = Object.keys(POLICY_KEYS) as PolicyFamily[];
  return `${HEAD}\n${families.map(section).join('\n')}\n${comparison()}`;
}

const HEAD = `<!-- Generated from src/core/ by "npm run gen". Do not edit. -->
# Scheduling policies

Each is one small file in \`src/core/\` and runs unchanged in a worker and in the simulator. It is chosen by the key named with its family; its parameters are set beside it,
for example \`--set queue.policy=minheap\`, \`--set keepAlive.policy=ttl --set keepAlive.parameters.keepAliveMs=60000\` or
\`--set gpu.queue.policy=mqfq --set gpu.queue.parameters.ttlMs=500\`. \`iluvatar policies\` prints the same. A new one: [adding-a-policy.md](adding-a-policy.md).

In the costs, n is the number of queued invocations or idle containers, f of functions.
`;

const TITLES: Readonly<Record<PolicyFamily, string>> = {
  'cpu-queue': 'Queues for the CPU',
  'gpu-queue': 'Queues for the GPUs',
  dispatch: 'Dispatch: the device, for functions that can use several',
  eviction: 'Eviction and keep-alive: which idle containers go',
};

function section(family: PolicyFamily): string {
  const rows = policyDescriptions().filter((policy) => policy.family === family);
  const keys = POLICY_KEYS[family]
    .split(', ')
    .map((key) => `\`${key}\``)
    .join(', ');
  const table = `| policy | optimises | parameters | cost per operation | source |\n|---|---|---|---|---|\n${rows.map(row).join('')}`;
  return `## ${TITLES[family]}\n\nKey: ${keys}\n\n${table}`;
}

function row({ name, optimises, parameters, cost, source }: PolicyDescription): string {
  const list = parameters.map((parameter) => `\`${parameter.name}\`: ${parameterText(parameter)}`).join('<br>');
  return `| \`${name}\` | ${cell(optimises)} | ${cell(list)} | ${cell(cost)} | ${cell(source)} |\n`;
}

/** Measured, not generated: its links are those of its own folder. */
function comparison(): string {
  const text = readFileSync(new URL('../docs/policies/keep-alive-comparison.md', import.meta.url), 'utf8');
  return `## Keep-alive policies compared\n\n${text.replaceAll('](keep-alive-comparison.svg)', '](policies/keep-alive-comparison.svg)')}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
