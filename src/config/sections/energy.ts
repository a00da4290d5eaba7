import * as z from 'zod';
import { ENERGY_SOURCES } from '../energy-source-names.js';

/** `energy`: where the joules of this machine are read, and how often. */

const ms = z.number().int().min(0);
const command = z.string().min(1);

export const energySection = z
  .strictObject({
    source: z
      .enum(['none', 'auto', ...ENERGY_SOURCES])
      .default('none')
      .describe('Where energy is read; auto = the first that can be, as `iluvatar energy sources` lists them'),
    periodMs: ms.min(10).max(3_600_000).default(1000).describe('How often it is read; ms'),
    attribution: z.boolean().default(true).describe('Divide what is read among invocations; needs a source'),
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
