import { IluvatarError } from './errors.js';
import type { Random } from './random.js';

export type PolicyFamily = 'cpu-queue' | 'gpu-queue' | 'eviction' | 'dispatch';

export type PolicyParameterValue = number | string | boolean | Readonly<Record<string, number>>;

export interface PolicyParameter {
  readonly name: string;
  /** `ms`, `MiB`, `ratio`, `name`, … */
  readonly unit: string;
  /** Also says what kind of value it takes. */
  readonly default: PolicyParameterValue;
  /** The values it can have, when they are names. */
  readonly choices?: readonly string[];
  /** Least and greatest, when it is a number. */
  readonly min?: number;
  readonly max?: number;
  readonly meaning: string;
}

/** What a policy says about itself; for people and for tables. */
export interface PolicyDescription {
  readonly name: string;
  readonly family: PolicyFamily;
  /** What it makes small or great. */
  readonly optimises: string;
  readonly parameters: readonly PolicyParameter[];
  /** Cost of one operation; n = what it holds (invocations, idle containers), f = functions. */
  readonly cost: string;
  /** Where it is described. */
  readonly source: string;
}

/** Values by parameter name; one that is missing takes its default. */
export type PolicyParameters = Readonly<Record<string, PolicyParameterValue>>;

/** What a policy may need to know of the engine it is made for. */
export interface PolicyContext {
  /** Its own stream of chance. */
  readonly random: Random;
  /** Invocations that the devices it is made for run at once; Infinity = no limit. */
  readonly parallelism: number;
}

export interface PolicyEntry<Policy> extends PolicyDescription {
  /** `parameters` are complete and checked: `createPolicy` calls this. */
  readonly create: (parameters: PolicyParameters, context: PolicyContext) => Policy;
}

/** Throws IluvatarError `invalid` for a parameter that the policy does not have or a value it cannot take. */
export function createPolicy<Policy>(
  entry: PolicyEntry<Policy>,
  given: PolicyParameters,
  context: PolicyContext,
): Policy {
  const known = new Map(entry.parameters.map((parameter) => [parameter.name, parameter]));
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue;
    const names = [...known.keys()].join(', ') || 'none';
    throw invalid(entry, `there is no parameter "${name}"; it has: ${names}`);
  }
  const complete: Record<string, PolicyParameterValue> = {};
  for (const parameter of entry.parameters) {
    const value = given[parameter.name] ?? parameter.default;
    check(entry, parameter, value);
    complete[parameter.name] = value;
  }
  return entry.create(complete, context);
}

/** Of a complete set of parameters: the value of one that is a number. */
export function numberOf(parameters: PolicyParameters, name: string): number {
  return parameters[name] as number;
}

function check(entry: PolicyDescription, parameter: PolicyParameter, value: PolicyParameterValue): void {
  const { name, choices, min, max } = parameter;
  if (typeof value !== typeof parameter.default) {
    throw invalid(entry, `${name} must be a ${typeof parameter.default}, not ${JSON.stringify(value)}`);
  }
  if (choices !== undefined && !choices.includes(value as string)) {
    throw invalid(entry, `${name} must be one of ${choices.join(', ')}, not ${JSON.stringify(value)}`);
  }
  if (typeof value === 'object') {
    for (const [key, item] of Object.entries(value)) {
      if (typeof item !== 'number') throw invalid(entry, `${name}.${key} must be a number`);
    }
  }
  if (typeof value !== 'number') return;
  if (Number.isNaN(value) || value < (min ?? Number.NEGATIVE_INFINITY) || value > (max ?? Number.POSITIVE_INFINITY)) {
    throw invalid(entry, `${name} must be from ${min ?? '-∞'} to ${max ?? '∞'}, not ${value}`);
  }
}

function invalid(entry: PolicyDescription, text: string): IluvatarError {
  return new IluvatarError('invalid', `${entry.family} policy ${entry.name}: ${text}`);
}
