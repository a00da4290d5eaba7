import { resolve } from 'node:path';
import type { EnergyConfig } from '../../../config/sections/energy.js';
import { type ProgramResult, runProgram } from '../../children/run-program.js';
import { type EnergyReading, type EnergySource, EnergySourceError } from '../energy-source.js';
import { PowerMeter } from '../power-meter.js';

/**
 * Power of the whole machine as its management controller measures it at the power supply (DCMI), asked with `ipmitool`: this machine's own controller, or one over the network. Slow, so only one question
 * is under way at a time, and whoever asks meanwhile gets its answer.
 */
export class IpmiSource implements EnergySource {
  readonly name = 'ipmi';
  readonly facts;
  readonly #settings: EnergyConfig['ipmi'];
  readonly #periodUs: number;
  #meter: PowerMeter | null = null;
  #asking: Promise<EnergyReading> | null = null;
  #abort = new AbortController();

  constructor({ ipmi, periodMs }: Pick<EnergyConfig, 'ipmi' | 'periodMs'>) {
    this.#settings = ipmi;
    // It is asked as often as it is read; an answer may take as long as it may.
    this.#periodUs = Math.max(periodMs, ipmi.timeoutMs) * 1000;
    this.facts = {
      periodMs: 1000,
      accuracy:
        'whole watts, some percent, averaged over about a second by most controllers; the energy is integrated from it',
      cost: 'a process and 50 ms to several seconds of the controller a reading',
      covers: 'the whole machine, at its power supply',
    };
  }

  async open(): Promise<void> {
    const { address, passwordFile } = this.#settings;
    if (address !== '' && passwordFile === '') {
      throw new EnergySourceError(
        'missing',
        'a controller on the network wants a password: set energy.ipmi.passwordFile',
      );
    }
    this.#abort = new AbortController();
    this.#meter = new PowerMeter(this.#periodUs);
    try {
      await this.read();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  read(): Promise<EnergyReading> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async close(): Promise<void> {
    this.#meter = null;
    this.#abort.abort();
    await this.#asking?.catch(() => {});
  }

  async #ask(): Promise<EnergyReading> {
    const meter = this.#meter;
    if (meter === null) throw new EnergySourceError('failed', 'it is not open');
    const { command, timeoutMs } = this.#settings;
    const beforeMs = performance.now();
    const result = await runProgram(command, this.#arguments(), { timeoutMs, signal: this.#abort.signal });
    // It is of some moment between question and answer.
    const atUs = ((beforeMs + performance.now()) / 2) * 1000;
    const watts = wattsIn(result.stdout);
    if (result.ended !== 'well' || watts === null) throw this.#explained(result);
    return meter.take(atUs, [{ name: 'system', feeds: 'all', inTotal: true, watts }]);
  }

  /** The password is in a file: arguments can be read by everybody. */
  #arguments(): string[] {
    const { address, user, passwordFile } = this.#settings;
    const network = ['-I', 'lanplus', '-H', address, '-U', user, '-f', resolve(passwordFile)];
    return [...(address === '' ? [] : network), 'dcmi', 'power', 'reading'];
  }

  #explained({ ended, stdout, stderr }: ProgramResult): EnergySourceError {
    const { command, address, timeoutMs } = this.#settings;
    const said = stderr.trim() || stdout.trim();
    // What it begins with is often of tables of names that it does not find.
    const last = said.split('\n').at(-1) as string;
    if (ended === 'missing') {
      return new EnergySourceError('missing', `there is no program ${command}`, 'sudo apt-get install ipmitool');
    }
    if (ended === 'forbidden') return new EnergySourceError('forbidden', `this user may not execute ${command}`);
    if (ended === 'late') return new EnergySourceError('failed', `${command} gave no answer within ${timeoutMs} ms`);
    if (address === '' && /could not open device/i.test(said)) {
      return /permission denied/i.test(said)
        ? new EnergySourceError('forbidden', 'the controller’s device is for root', 'sudo chmod a+rw /dev/ipmi0')
        : new EnergySourceError('missing', 'there is no controller’s device', 'sudo modprobe -a ipmi_si ipmi_devintf');
    }
    if (/invalid (username|password|user)|unauthorized|RAKP 2 HMAC|insufficient privilege/i.test(said)) {
      return new EnergySourceError('forbidden', `the controller at ${address || 'this machine'} refuses: ${last}`);
    }
    if (/DCMI|invalid command|deactivated/i.test(said)) {
      return new EnergySourceError('missing', `the controller measures no power: ${last}`);
    }
    return new EnergySourceError('failed', `${command}: ${last || 'it said nothing of power'}`);
  }
}

/** null = it gives none. Controllers that do not measure say 0 W, or that measuring is deactivated. */
function wattsIn(text: string): number | null {
  const watts = Number(/instantaneous power reading:\s*(\d+(?:\.\d+)?)\s*watts/i.exec(text)?.[1] ?? 0);
  const off = /power reading state is:\s*deactivated/i.test(text);
  return off || watts <= 0 ? null : watts;
}
