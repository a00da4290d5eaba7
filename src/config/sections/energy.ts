import * as z from 'zod';
import { ENERGY_SOURCES } from '../energy-source-names.js';

/** `energy`: where the joules of this machine are read, and how often. */

const ms = z.number().int().min(0);
export const POWER_CAP_VERSIONS = ['projected', 'v0', 'v1'] as const;
export const STALE_POWER_POLICIES = ['assume-free', 'assume-busy', 'ignore'] as const;

const command = z.string().min(1);

export const energySection = z
  .strictObject({
    source: z
      .enum(['none', 'auto', ...ENERGY_SOURCES])
      .default('none')
      .describe('Where energy is read; auto = the first that can be, as `iluvatar energy sources` lists them'),
    periodMs: ms.min(10).max(3_600_000).default(1000).describe('How often it is read; ms'),
    attribution: z.boolean().default(true).describe('Divide what is read among invocations; needs a source'),
    idleWatts: z
      .number()
      .min(0)
      .default(0)
      .describe('What the machine takes when nothing runs, kept apart from what is divided; W, 0 = learned'),
    cap: z
      .strictObject({
        watts: z
          .number()
          .min(0)
          .default(0)
          .describe(
            'Hold invocations back while the next period would take more on average; W, 0 = no cap; needs a source',
          ),
        version: z
          .enum(POWER_CAP_VERSIONS)
          .default('projected')
          .describe(
            'projected = what runs, has begun and would begin is counted; v0 = the last reading is below the cap; v1 = the same, with 2 W for the time of the function',
          ),
        maxHoldMs: ms.min(1).default(10_000).describe('One that was held so long goes all the same; ms'),
        staleMs: ms.min(10).default(5000).describe('A reading that is older says nothing any more; ms'),
        whenStale: z
          .enum(STALE_POWER_POLICIES)
          .default('assume-free')
          .describe('Then: hold nothing back, hold everything back (within maxHoldMs), or go on with the old reading'),
      })
      .prefault({}),
    root: z
      .string()
      .default('/')
      .describe('Folder that /sys, /proc and /dev are looked for in: another one where the host’s are mounted there'),
    perf: z
      .strictObject({ command: command.default('perf').describe('Program that counts energy events') })
      .prefault({}),
    nvidia: z
      .strictObject({ command: command.default('nvidia-smi').describe('Program that asks the driver') })
      .prefault({}),
    ipmi: z
      .strictObject({
        command: command.default('ipmitool').describe('Program that asks the board’s management controller'),
        address: z.string().default('').describe('Of the controller on the network; empty = this machine’s own'),
        user: z.string().default('ADMIN').describe('Who asks over the network'),
        passwordFile: z.string().default('').describe('File with the password, for the network'),
        timeoutMs: ms.min(100).default(5000).describe('A controller that takes longer has failed; ms'),
      })
      .prefault({}),
  })
  .prefault({});

export type EnergyConfig = z.output<typeof energySection>;
