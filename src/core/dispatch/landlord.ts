import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';
import { numberOf, type PolicyParameters } from '../policy.js';
import type { Random } from '../random.js';
import type { DeviceLoads } from './dispatch-policy.js';
import { bounded, execUs, lessonOf } from './estimates.js';
import { FunctionStates } from './function-states.js';
import { GpuEstimates } from './gpu-estimates.js';
import { type Account, boundedCredit, GpuResidents, type LandlordRule, newAccount } from './gpu-residents.js';
import { EstimatingDispatch } from './learning-dispatch.js';

/** How much the GPU's time to an answer is thought to grow with each function that is active on it. */
const INTERFERENCE = 0.05;

/**
 * The GPU as a cache of functions: what is resident runs there (a hit), what is not runs on the CPU (a miss) unless it is admitted. After Landlord (Young:
 * On-line file caching, Algorithmica 33, 2002), which generalises GreedyDual-Size (Cao, Irani, USITS 1997), LRU and FIFO:
 *
 *   size = average execution time on the GPU;   gain = time to the answer on the CPU − on the GPU   (µs; the paper's cost)
 *   miss: rent = gain is taken from the credits of the residents, who go at 0;   admission: credit = gain;   hit: credit += gain
 *
 * With `hitCredit` = `reset` a hit raises the credit to the gain and no further, as the paper demands for its bound. A resident that would lose more on the
 * GPU than it has credit stays away for that once. Admission in fixed mode: residents go, worst first, until the newcomer fits. Otherwise: the n-th use is
 * a lottery of chance 1 / (1 + n), so that what is new gets in; below `loadThreshold` who gains gets in; above `slowdownThreshold` nobody does, and one
 * leaves if the GPU is full; between them, it is in exchange for a victim whose credit is no more than what the newcomer has lost by staying outside.
 */
export class LandlordDispatch extends EstimatingDispatch {
  readonly #rule: LandlordRule;
  readonly #parameters: PolicyParameters;
  readonly #random: Random;
  readonly #maxSizeUs: number;
  readonly #estimates = new GpuEstimates();
  readonly #residents = new GpuResidents();
  readonly #accounts = new FunctionStates(newAccount);
  readonly #counts = { hits: 0, insufficientCredit: 0, misses: 0, admitted: 0, evicted: 0 };
  #uses = 0;

  constructor(rule: LandlordRule, parameters: PolicyParameters, random: Random) {
    super();
    this.#rule = rule;
    this.#parameters = parameters;
    this.#random = random;
    this.#maxSizeUs = numberOf(parameters, 'maxSizeMs') * 1000;
  }

  protected override compare(fn: FunctionRecord, _devices: readonly Device[], loads: DeviceLoads): Device {
    const account = this.#accounts.of(fn);
    const gpuUs = this.#estimates.next(fn, loads);
    const gain = this.#rule.paysRent ? this.#timeSaved(fn, gpuUs, loads) : 1;
    const wanted = account.resident ? this.#hit(account, gain) : this.#miss(account, gain, gpuUs, loads);
    if (!wanted) return 'cpu';
    account.uses++;
    account.lastUse = ++this.#uses;
    return 'gpu';
  }

  /** A function that the GPU fails has nothing to gain there: it has to be admitted again. An error that it raised itself it would raise anywhere. */
  override ended(invocation: Invocation, outcome: Outcome, now: number): void {
    super.ended(invocation, outcome, now);
    if (invocation.device !== 'gpu' || outcome.errorClass === 'user_error') return;
    const account = this.#accounts.peek(invocation.fn);
    if (account?.resident && lessonOf(invocation, outcome) === 'failure') this.#evict(account);
  }

  override forget(fn: FunctionRecord): void {
    super.forget(fn);
    const account = this.#accounts.peek(fn);
    if (account !== null) this.#residents.remove(account);
    this.#accounts.forget(fn);
    this.#estimates.forget(fn);
  }

  report(): unknown {
    const sizeMs = this.#residents.sizeUs() / 1000;
    const lost = this.#accounts.mapped((account) => account.lost);
    return { residents: this.#residents.report(), sizeMs, lost, ...this.#counts };
  }

  #timeSaved(fn: FunctionRecord, gpuUs: number, loads: DeviceLoads): number {
    const cpuUs = Math.max(bounded(loads.completionUs(fn, 'cpu')), execUs(fn, 'cpu'));
    return boundedCredit(cpuUs - gpuUs * (1 + INTERFERENCE * bounded(loads.activeFunctions('gpu'))));
  }

  #hit(account: Account, gain: number): boolean {
    if (this.#rule.paysRent && account.credit + gain <= 0) {
      this.#counts.insufficientCredit++;
      return false;
    }
    this.#counts.hits++;
    if (this.#parameters['hitCredit'] === 'reset') account.credit = Math.max(account.credit, gain);
    else if (gain > 0) account.credit = boundedCredit(account.credit + gain);
    return true;
  }

  #miss(account: Account, gain: number, gpuUs: number, loads: DeviceLoads): boolean {
    this.#counts.misses++;
    if (this.#rule.paysRent && gain > 0) this.#residents.charge(gain, loads);
    account.lost = boundedCredit(account.lost + gain);
    const sizeUs = execUs(account.fn, 'gpu');
    const admitted = this.#rule.fixedMode
      ? this.#makeRoom(sizeUs, loads)
      : this.#admits(account, gain, gpuUs / sizeUs, loads);
    if (!admitted) return false;
    this.#counts.admitted++;
    account.credit = Math.max(0, gain);
    this.#residents.add(account);
    return true;
  }

  #makeRoom(sizeUs: number, loads: DeviceLoads): boolean {
    if (sizeUs > this.#maxSizeUs) return false;
    while (this.#residents.sizeUs() + sizeUs > this.#maxSizeUs) {
      const victim = this.#residents.victim(this.#rule.order, loads);
      if (victim === null) return false;
      this.#evict(victim);
    }
    return true;
  }

  #admits(account: Account, gain: number, slowdown: number, loads: DeviceLoads): boolean {
    if (this.#random() < 1 / (1 + account.uses)) return true;
    const load = bounded(loads.queuedUs('gpu')) / this.#maxSizeUs;
    if (load < numberOf(this.#parameters, 'loadThreshold')) return gain > 0;
    const victim = this.#residents.victim(this.#rule.order, loads);
    if (slowdown > numberOf(this.#parameters, 'slowdownThreshold')) {
      if (victim !== null && this.#residents.sizeUs() >= this.#maxSizeUs) this.#evict(victim);
      return false;
    }
    if (victim === null || (this.#rule.paysRent && victim.credit > account.lost)) return false;
    this.#evict(victim);
    return true;
  }

  #evict(account: Account): void {
    this.#counts.evicted++;
    this.#residents.remove(account);
  }
}
