import type { PolicyEntry } from '../policy.js';
import { all } from './all-devices.js';
import { cpu } from './cpu-only.js';
import type { DispatchPolicy } from './dispatch-policy.js';
import { est_completion } from './est-completion.js';
import { gpu } from './gpu-only.js';
import { greedy_weights } from './greedy-weights.js';
import { hit_tput } from './hit-throughput.js';
import { landlord, landlord_fixed, landlord_lfu, landlord_lru } from './landlord-policies.js';
import { mice } from './mice.js';
import { mwua } from './mwua.js';
import { least_popular, popular, popular_est_time, popular_queue_len } from './popular.js';
import { queue_adjust_avg_est_speedup } from './queue-adjusted-speedup.js';
import { random } from './random-device.js';
import { running_avg_est_speedup } from './running-average-speedup.js';
import { shortest_exec } from './shortest-exec.js';
import { est_speedup, speedup } from './speedup.js';
import { top_avg } from './top-average.js';
import { ucb1 } from './ucb1.js';

/** How a device is chosen for functions that can use several, by the name it is configured with. */
export const dispatchPolicies = {
  cpu,
  gpu,
  all,
  random,
  shortest_exec,
  est_completion,
  speedup,
  est_speedup,
  running_avg_est_speedup,
  queue_adjust_avg_est_speedup,
  ucb1,
  mwua,
  hit_tput,
  mice,
  greedy_weights,
  landlord,
  landlord_fixed,
  landlord_lru,
  landlord_lfu,
  popular,
  least_popular,
  popular_est_time,
  popular_queue_len,
  top_avg,
} as const satisfies Record<string, PolicyEntry<DispatchPolicy>>;
