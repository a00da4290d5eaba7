import { policyDescriptions } from '../core/policies.js';
import type { PolicyDescription, PolicyFamily, PolicyParameter } from '../core/policy.js';
import { action, type CommandHost } from './command-host.js';
import { UsageError } from './exit-codes.js';
import { facts, paint } from './output.js';

/** `iluvatar policies`: what can be chosen, straight from what the policies say of themselves. */

/** The option that chooses a policy of each family; eviction has one for the CPU and one for the GPUs. */
export const POLICY_KEYS: Readonly<Record<PolicyFamily, string>> = {
  'cpu-queue': 'queue.policy',
  'gpu-queue': 'gpu.queue.policy',
  dispatch: 'dispatch.policy',
  eviction: 'keepAlive.policy, gpu.keepAlive.policy',
};

const FAMILIES = Object.keys(POLICY_KEYS) as PolicyFamily[];

export function addPoliciesCommand(host: CommandHost): void {
  host
    .add('policies', 'list the scheduling policies, or show those of one family or name', [
      'policies',
      'policies eviction',
      'policies mqfq',
      'policies --json',
    ])
    .argument('[name]', 'a family (cpu-queue, gpu-queue, dispatch, eviction) or a policy')
    .action(
      action(async (context, _options, name: string | undefined) => {
        const all = policyDescriptions().map(describe);
        const wanted = name === undefined ? all : all.filter((one) => one.family === name || one.name === name);
        if (wanted.length === 0) {
          throw new UsageError(`there is no policy or family "${name}"; families: ${FAMILIES.join(', ')}`);
        }
        context.print(wanted, (policies) => (name === undefined ? lists(policies) : policies.map(details).join('\n')));
      }),
    );
}

/** Without what makes one, which is no data. */
function describe({ name, family, optimises, parameters, cost, source }: PolicyDescription): PolicyDescription {
  return { name, family, optimises, parameters, cost, source };
}

function lists(policies: readonly PolicyDescription[]): string {
  return FAMILIES.map((family) => {
    const rows = policies.filter((one) => one.family === family);
    return `${paint('bold', `${family} (${POLICY_KEYS[family]})`)}\n${facts(rows.map((one) => [`  ${one.name}`, one.optimises]))}`;
  }).join('\n');
}

function details(policy: PolicyDescription): string {
  return `${paint('bold', `${policy.name} (${policy.family}: ${POLICY_KEYS[policy.family]})`)}\n${facts([
    ['  optimises', policy.optimises],
    ['  cost', policy.cost],
    ['  source', policy.source],
    ...policy.parameters.map((parameter) => [`  ${parameter.name}`, parameterText(parameter)] as const),
  ])}`;
}

/** `meaning; ms, default 600000, at least 0` */
export function parameterText({ unit, default: value, choices, min, max, meaning }: PolicyParameter): string {
  const range = [min === undefined ? '' : `at least ${min}`, max === undefined ? '' : `at most ${max}`];
  const limits = choices === undefined ? range : [`one of ${choices.join(', ')}`];
  const rest = [unit, `default ${JSON.stringify(value)}`, ...limits].filter((text) => text !== '');
  return `${meaning}; ${rest.join(', ')}`;
}
