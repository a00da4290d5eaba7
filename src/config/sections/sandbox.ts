import * as z from 'zod';

/** `sandbox`: the worker's own containers, and what all of them have in common. */

const ms = z.number().int().min(0);

export const sandboxSection = z
  .strictObject({
    python: z.string().default('').describe('Python interpreter; empty = found on PATH'),
    stemCells: z
      .number()
      .int()
      .min(0)
      .max(256)
      .default(4)
      .describe('Ready containers kept per zygote, waiting for a function'),
    baseZygotes: z
      .number()
      .int()
      .min(1)
      .max(8)
      .default(2)
      .describe('Warm Python interpreters without dependencies; each begins one container at a time'),
    nodeCells: z.number().int().min(0).max(64).default(2).describe('Ready Node processes kept'),
    zygotes: z.number().int().min(0).max(64).default(8).describe('Most warm interpreters with heavy dependencies'),
    zygoteMemoryMb: z.number().int().min(0).default(1024).describe('Most memory of all of them'),
    zygoteImports: z
      .array(z.string())
      .default(['json', 'random', 'uuid', 'traceback', 'asyncio'])
      .describe('Modules imported by the base Python zygote'),
    seccomp: z.boolean().default(true).describe('Install the default system-call filter'),
    readOnlyPaths: z.array(z.string()).default([]).describe('More host folders that containers see read-only'),
    outputBytes: z
      .number()
      .int()
      .min(0)
      .default(64 * 1024)
      .describe('Captured output kept per stream and invocation'),
    killGraceMs: ms.default(200).describe('Between asking an overdue agent for its traceback and SIGKILL'),
    uidBase: z.number().int().min(1).default(210_000).describe('First unprivileged uid for containers'),
    uidCount: z.number().int().min(1).default(10_000).describe('How many'),
    openFiles: z.number().int().min(16).default(1024).describe('Open files per process in a container'),
  })
  .prefault({});
