import type { PolicyEntry } from '../../policy.js';
import type { QueuePolicy } from '../queue-policy.js';
import { MqfqQueue } from './mqfq-queue.js';
import { mqfqParameters, mqfqSettings } from './parameters.js';
import * as selection from './selection.js';

const ESTIMATE = 'an estimate O(f log f) with V3, O(f) with V2, else O(1)';
const ONE = `O(log f); ${ESTIMATE}`;
const EACH = `O(log f); a choice O(f); ${ESTIMATE}`;
const SORTED = `O(log f); a choice O(f log f); ${ESTIMATE}`;

/** The variants of MQFQ-Sticky, by the name they are configured with. */
export const mqfqPolicies = {
  mqfq: variant(
    'mqfq',
    selection.warmFirst,
    'fair shares, then warm starts',
    `O(log f); a choice O(f) if the first flow is cold; ${ESTIMATE}`,
  ),
  mqfq_sticky: variant('mqfq_sticky', selection.sticky, 'fair shares, then staying with one function', ONE),
  mqfq_longest: variant('mqfq_longest', selection.longest, 'fair shares, then the longest queue', EACH),
  mqfq_wait: variant('mqfq_wait', selection.mostPending, 'fair shares, then the most work queued', EACH),
  mqfq_finish: variant('mqfq_finish', selection.latestFinish, 'fair shares, then the latest finish tag', EACH),
  mqfq_random: variant('mqfq_random', selection.anyFlow, 'fair shares, otherwise by chance', SORTED),
  mqfq_select_rand: variant('mqfq_select_rand', selection.topAny, 'fair shares, then by chance among few', SORTED),
  mqfq_select_out: variant(
    'mqfq_select_out',
    selection.topInFlight,
    'fair shares, then fewest in flight among few',
    SORTED,
  ),
  mqfq_select_service: variant(
    'mqfq_select_service',
    selection.topService,
    'fair shares, then longest unserved among few',
    SORTED,
  ),
  mqfq_select_len: variant(
    'mqfq_select_len',
    selection.topLength,
    'fair shares, then the longest queue among few',
    SORTED,
  ),
  mqfq_select_out_len: variant(
    'mqfq_select_out_len',
    selection.topLengthInFlight,
    'fair shares, then the longest queue and fewest in flight among few',
    SORTED,
  ),
} as const satisfies Record<string, PolicyEntry<QueuePolicy>>;

function variant(name: string, select: selection.Selection, optimises: string, cost: string): PolicyEntry<MqfqQueue> {
  return {
    name,
    family: 'gpu-queue',
    optimises,
    parameters: mqfqParameters,
    cost,
    source: 'MQFQ-Sticky (arXiv 2507.08954, 2025), after MQFQ (USENIX ATC 2019)',
    create: (parameters, context) => new MqfqQueue(select, mqfqSettings(parameters), context),
  };
}
