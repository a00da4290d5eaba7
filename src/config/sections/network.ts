import * as z from 'zod';

/** `network`: bridges, addresses, the way out, and the pools of ready namespaces. */

const ms = z.number().int().min(0);

export const networkSection = z
  .strictObject({
    range: z
      .string()
      .regex(/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/)
      .default('10.187.0.0/16')
      .describe('IPv4 range from which bridges get their subnets; parts that the machine uses already are left out'),
    bridges: z.number().int().min(1).max(64).default(4).describe('Most bridges: a full one opens the next'),
    portsPerBridge: z
      .number()
      .int()
      .min(1)
      .max(1023)
      .default(1023)
      .describe('Containers on one bridge; the kernel takes no more than 1,023'),
    connected: z
      .boolean()
      .default(false)
      .describe('Containers on the same bridge reach each other; else each reaches only the host'),
    nat: z
      .boolean()
      .default(false)
      .describe(
        'Containers reach what lies beyond the host, under its address: a table of nftables of the worker’s own, where the host forwards',
      ),
    forwarding: z
      .enum(['leave', 'enable'])
      .default('leave')
      .describe('enable = with `nat`, net.ipv4.ip_forward of the host is set, and stays so'),
    dns: z
      .array(z.ipv4())
      .default([])
      .describe('Name servers in the containers’ /etc/resolv.conf; empty = a copy of the host’s'),
    isolatedPool: z
      .strictObject({
        low: z.number().int().min(0).max(16_384).default(4).describe('Fewer ready ones: more are made'),
        high: z.number().int().min(1).max(16_384).default(16).describe('So many are then ready'),
        idleMs: ms.min(10).default(60_000).describe('Nothing taken for so long: `low` of them are kept'),
      })
      .prefault({})
      .describe('Namespaces with loopback alone, for backends that would else make one during a start'),
    pool: z
      .strictObject({
        low: z.number().int().min(0).max(16_384).default(4).describe('Fewer ready network namespaces: more are made'),
        high: z.number().int().min(1).max(16_384).default(16).describe('So many are then ready'),
        idleMs: ms.min(10).default(60_000).describe('Nothing taken for so long: `low` of them are kept'),
      })
      .prefault({}),
  })
  .prefault({});
