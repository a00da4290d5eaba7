import { describe, expect, it } from 'vitest';
import {
  type EnergyReading,
  type EnergySource,
  EnergySourceError,
} from '../../../src/telemetry/energy/energy-source.js';
import { asNobody, type FakeMachine } from './fakes/machine.js';

/** What every source of energy promises, whatever it reads: written once, run against all of them. */
export interface SourceCase {
  readonly name: string;
  /** A machine on which it can be read. */
  machine(): FakeMachine;
  source(machine: FakeMachine): EnergySource;
  /** Something is drawn; done again and again while a test waits. */
  draw(machine: FakeMachine): void;
  /** Takes away what is read, before it is opened. */
  lose(machine: FakeMachine): void;
  /** What is said then can be done about it: a part of the command; null = nothing can. */
  readonly remedyOfMissing: string | null;
  /** Forbids it; null = it is never forbidden. */
  readonly forbid: ((machine: FakeMachine) => void) | null;
  readonly remedyOfForbidden: string | null;
  /** What is read says nothing more, while it is open. */
  hang(machine: FakeMachine): void;
}

export function energySourceConformance(one: SourceCase): void {
  describe(`an energy source: ${one.name}`, () => {
    async function opened<T>(use: (source: EnergySource, machine: FakeMachine) => Promise<T>): Promise<T> {
      const machine = one.machine();
      const source = one.source(machine);
      try {
        await source.open();
        return await use(source, machine);
      } finally {
        await source.close();
        await expect.poll(() => machine.processes()).toEqual([]);
      }
    }

    /** Draws and reads until something has been drawn. */
    async function drawn(source: EnergySource, machine: FakeMachine, joules = 0): Promise<EnergyReading[]> {
      const readings: EnergyReading[] = [await source.read()];
      await expect
        .poll(async () => {
          one.draw(machine);
          readings.push(await source.read());
          return readings.at(-1)?.joules;
        })
        .toBeGreaterThan(joules);
      return readings;
    }

    it('has a name and facts', () => {
      const { name, facts } = one.source(one.machine());
      expect(name).toBe(one.name);
      expect(facts.periodMs).toBeGreaterThan(0);
      for (const text of [facts.accuracy, facts.cost, facts.covers]) expect(text).not.toBe('');
    });

    it('gives joules that never fall, the sum of what is in the total, of moments in order', async () => {
      await opened(async (source, machine) => {
        const readings = await drawn(source, machine);
        readings.push(...(await drawn(source, machine, readings.at(-1)?.joules)));
        let before: EnergyReading | null = null;
        for (const reading of readings) {
          expect(reading.domains.length).toBeGreaterThan(0);
          expect(new Set(reading.domains.map(({ name }) => name)).size).toBe(reading.domains.length);
          const inTotal = reading.domains.filter((domain) => domain.inTotal);
          expect(reading.joules).toBeCloseTo(
            inTotal.reduce((sum, { joules }) => sum + joules, 0),
            9,
          );
          expect(reading.watts).toBeCloseTo(
            inTotal.reduce((sum, { watts }) => sum + watts, 0),
            6,
          );
          expect(reading.watts).toBeGreaterThanOrEqual(0);
          expect(reading.atUs).toBeGreaterThan(0);
          expect(reading.atUs).toBeLessThanOrEqual(performance.now() * 1000);
          if (before !== null) {
            expect(reading.atUs).toBeGreaterThanOrEqual(before.atUs);
            for (const { name, joules } of before.domains) {
              expect(reading.domains.find((domain) => domain.name === name)?.joules).toBeGreaterThanOrEqual(joules);
            }
          }
          before = reading;
        }
      });
    });

    it('begins anew when it is opened again', async () => {
      await opened(async (source, machine) => {
        const first = (await source.read()).joules;
        const before = (await drawn(source, machine, 4 * first + 0.001)).at(-1)?.joules ?? 0;
        await source.close();
        await source.open();
        expect((await source.read()).joules).toBeLessThan(before);
      });
    });

    it('can be closed twice, and is read no more then, nor before it is opened', async () => {
      const machine = one.machine();
      const source = one.source(machine);
      await expect(source.read()).rejects.toThrow(EnergySourceError);
      await source.close();
      await source.open();
      await source.close();
      await source.close();
      await expect(source.read()).rejects.toThrow(EnergySourceError);
      await expect.poll(() => machine.processes()).toEqual([]);
    });

    it('leaves nothing behind when it is closed while it is opened', async () => {
      const machine = one.machine();
      const source = one.source(machine);
      const opening = source.open().catch(() => {});
      await source.close();
      await opening;
      await source.close();
      await expect.poll(() => machine.processes()).toEqual([]);
    });

    it('says what is missing, and what can be done about it', async () => {
      const machine = one.machine();
      one.lose(machine);
      const source = one.source(machine);
      try {
        const error = await source.open().then(
          () => null,
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(EnergySourceError);
        const { code, remedy, message } = error as EnergySourceError;
        expect([code, message.length > 10]).toEqual(['missing', true]);
        if (one.remedyOfMissing === null) expect(remedy).toBeNull();
        else expect(remedy).toContain(one.remedyOfMissing);
        expect(machine.processes()).toEqual([]);
      } finally {
        await source.close();
      }
    });

    const { forbid } = one;
    if (forbid !== null) {
      it('says what is forbidden, and which command allows it', async () => {
        const machine = one.machine();
        forbid(machine);
        const source = one.source(machine);
        try {
          const error = await asNobody(() => source.open()).then(
            () => null,
            (thrown: unknown) => thrown,
          );
          expect(error).toBeInstanceOf(EnergySourceError);
          const { code, remedy } = error as EnergySourceError;
          expect(code).toBe('forbidden');
          if (one.remedyOfForbidden === null) expect(remedy).toBeNull();
          else expect(remedy).toContain(one.remedyOfForbidden);
          expect(machine.processes()).toEqual([]);
        } finally {
          await source.close();
        }
      });
    }

    it('answers or says why not when what it reads says nothing more', async () => {
      await opened(async (source, machine) => {
        const before = (await source.read()).joules;
        one.hang(machine);
        // One of both, and in any case at an end: it would never come to it otherwise.
        const outcome = await source.read().catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(EnergySourceError);
        else expect((outcome as EnergyReading).joules).toBeGreaterThanOrEqual(before);
      });
    });
  });
}
