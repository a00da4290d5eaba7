import type { FunctionRecord } from '../function-record.js';
import type { DeviceLoads } from './dispatch-policy.js';
import { bounded, execUs, MOST_US } from './estimates.js';

/** What Landlord keeps of a function. */
export interface Account {
  readonly fn: FunctionRecord;
  /** Of a resident: what is left of what it paid; never below 0. */
  credit: number;
  /** Of one that is not: what it would have gained since it was resident last. */
  lost: number;
  /** Invocations it sent to the GPU. */
  uses: number;
  /** When the latest of these was, in uses of all functions. */
  lastUse: number;
  resident: boolean;
}

export function newAccount(fn: FunctionRecord): Account {
  return { fn, credit: 0, lost: 0, uses: 0, lastUse: 0, resident: false };
}

/** Which of two residents is the better one to go: negative = the first. */
export type VictimOrder = (a: Account, b: Account) => number;

export const leastCredit: VictimOrder = (a, b) => a.credit - b.credit;
export const oldestUse: VictimOrder = (a, b) => a.lastUse - b.lastUse;
export const fewestUses: VictimOrder = (a, b) => a.uses - b.uses || oldestUse(a, b);

/** What tells the members of the Landlord family apart. */
export interface LandlordRule {
  readonly order: VictimOrder;
  /** Gains are time saved, residents pay rent, and only what paid less than the newcomer lost goes. Otherwise a gain is 1 and nobody pays. */
  readonly paysRent: boolean;
  /** True: the residents' sizes never exceed `maxSizeMs` when one comes in, and what fits always gets in. False: load decides. */
  readonly fixedMode: boolean;
}

/**
 * The functions that hold the GPU. A resident's size is its average execution time there (µs), which moves, as does what it has queued: both are read when
 * they are needed, and nothing is kept that could come to differ from them. That is what forces O(residents) for rent, sums and victims; hits are O(1).
 */
export class GpuResidents {
  readonly #accounts = new Set<Account>();

  add(account: Account): void {
    account.resident = true;
    account.lost = 0;
    this.#accounts.add(account);
  }

  remove(account: Account): void {
    account.resident = false;
    account.credit = 0;
    this.#accounts.delete(account);
  }

  /** Sum of the residents' sizes; µs. */
  sizeUs(): number {
    let sum = 0;
    for (const { fn } of this.#accounts) sum += execUs(fn, 'gpu');
    return sum;
  }

  /**
   * Takes `rent` from all residents together, and removes those that have nothing left. Each pays in proportion to the work it has queued on the GPU: it
   * holds the room that someone else wanted. When nothing is queued, in proportion to its size, as in Young's Landlord: credit −= δ · size.
   */
  charge(rent: number, loads: DeviceLoads): void {
    const queued = ({ fn }: Account): number => bounded(loads.queuedOf(fn, 'gpu')) * execUs(fn, 'gpu');
    const size = ({ fn }: Account): number => execUs(fn, 'gpu');
    const total = this.#sum(queued);
    if (total > 0) this.#charge(rent, queued, total);
    else this.#charge(rent, size, this.#sum(size));
  }

  /** Of the residents with nothing queued on the GPU, the first to go; null = there is none. */
  victim(order: VictimOrder, loads: DeviceLoads): Account | null {
    let chosen: Account | null = null;
    for (const account of this.#accounts) {
      if (chosen !== null && order(account, chosen) >= 0) continue;
      if (loads.queuedOf(account.fn, 'gpu') === 0) chosen = account;
    }
    return chosen;
  }

  report(): unknown {
    return Object.fromEntries([...this.#accounts].map(({ fn, credit, uses }) => [fn.key, { credit, uses }]));
  }

  #sum(weightOf: (account: Account) => number): number {
    let sum = 0;
    for (const account of this.#accounts) sum += weightOf(account);
    return sum;
  }

  #charge(rent: number, weightOf: (account: Account) => number, total: number): void {
    if (total === 0) return;
    for (const account of this.#accounts) {
      account.credit = boundedCredit(account.credit - rent * (weightOf(account) / total));
      if (account.credit <= 0) this.remove(account);
    }
  }
}

/** Credits may be debts; neither is endless. */
export function boundedCredit(value: number): number {
  return Math.max(-MOST_US, Math.min(MOST_US, value));
}
