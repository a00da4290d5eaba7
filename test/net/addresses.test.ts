import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressAllocator, type Allocation, MOST_PORTS } from '../../src/net/address-allocator.js';
import { hostRanges, routedRanges } from '../../src/net/host-ranges.js';
import { LinkNames, macOf } from '../../src/net/names.js';
import { formatAddress, formatRange, overlap, parseAddress, parseRange, type Range } from '../../src/net/range.js';

const range = (text: string): Range => parseRange(text) as Range;

describe('ranges', () => {
  it('are read and written', () => {
    expect(formatRange(range('10.187.0.0/16'))).toBe('10.187.0.0/16');
    expect(formatAddress(range('255.255.255.248/29').first)).toBe('255.255.255.248');
    for (const wrong of ['', '10.0.0.0', '10.0.0.1/24', '10.0.0.0/33', '10.0.0.256/32', '10.0.0/8', 'a/8', '::/0']) {
      expect(parseRange(wrong)).toBeNull();
    }
    fc.assert(fc.property(fc.ipV4(), (text) => formatAddress(parseAddress(text) as number) === text));
  });

  it('overlap when they share an address', () => {
    const whole = range('10.0.0.0/8');
    expect(overlap(whole, range('10.255.255.255/32'))).toBe(true);
    expect(overlap(range('10.255.255.255/32'), whole)).toBe(true);
    expect(overlap(whole, range('11.0.0.0/8'))).toBe(false);
    expect(overlap(range('128.0.0.0/1'), range('0.0.0.0/1'))).toBe(false);
  });

  it('of the machine are found, but for those of links of ours', () => {
    const table = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'ours\t0000BB0A\t00000000\t0001\t0\t0\t0\t00F8FFFF\t0\t0\t0',
      '',
    ].join('\n');
    expect(routedRanges(table).map(formatRange)).toEqual(['192.168.0.0/24', '10.187.0.0/21']);
    expect(routedRanges(table, (link) => link === 'ours').map(formatRange)).toEqual(['192.168.0.0/24']);
    expect(hostRanges().some((used) => overlap(used, range('127.0.0.1/32')))).toBe(true);
    expect(hostRanges(() => true)).toEqual([]);
  });
});

describe('addresses', () => {
  it('begin after the gateway, and the next bridge opens when one is full', () => {
    const allocator = new AddressAllocator(range('10.0.0.0/24'), { bridges: 2, portsPerBridge: 2 });
    const taken = [1, 2, 3, 4].map(() => allocator.take() as Allocation);
    expect(taken.map(({ address, bridge }) => `${address} via ${bridge.gateway}`)).toEqual([
      '10.0.0.2 via 10.0.0.1',
      '10.0.0.3 via 10.0.0.1',
      '10.0.0.10 via 10.0.0.9',
      '10.0.0.11 via 10.0.0.9',
    ]);
    expect(allocator.take()).toBeNull();
    allocator.give(taken[1] as Allocation);
    expect(allocator.take()?.address).toBe('10.0.0.3');
    expect(() => new AddressAllocator(range('10.0.0.0/30'), { bridges: 1, portsPerBridge: 2 })).toThrow(RangeError);
  });

  it('are not taken from subnets that somebody else uses', () => {
    const used = [range('10.0.0.0/29'), range('10.0.0.20/32')];
    const limits = { bridges: 9, portsPerBridge: 5 };
    const allocator = new AddressAllocator(range('10.0.0.0/27'), limits, () => used);
    const all: string[] = [];
    for (let next = allocator.take(); next !== null; next = allocator.take()) all.push(next.address);
    expect(all).toEqual(['10', '11', '12', '13', '14', '26', '27', '28', '29', '30'].map((last) => `10.0.0.${last}`));
  });

  it('are counted as they can be had now', () => {
    const used: Range[] = [];
    const limits = { bridges: 3, portsPerBridge: 5 };
    const allocator = new AddressAllocator(range('10.0.0.0/27'), limits, () => used);
    expect(allocator.capacity()).toBe(15);
    allocator.take();
    used.push(range('10.0.0.8/30'), range('10.0.0.24/32'));
    expect(allocator.capacity()).toBe(10);
    while (allocator.take() !== null);
    expect([allocator.taken, allocator.capacity()]).toEqual([10, 10]);
  });

  it('are given back once', () => {
    const allocator = new AddressAllocator(range('10.0.0.0/16'), { bridges: 1, portsPerBridge: 8 });
    const taken = allocator.take() as Allocation;
    allocator.give(taken);
    expect(() => allocator.give(taken)).toThrow('is not taken');
    expect(allocator.taken).toBe(0);
  });

  it('are taken again by the next allocator, and all others can still be had', () => {
    const limits = { bridges: 3, portsPerBridge: 4 };
    const whole = range('10.0.0.0/24');
    const first = new AddressAllocator(whole, limits);
    const all = Array.from({ length: 12 }, () => first.take() as Allocation);
    const kept = [all[1], all[7]].map((one) => JSON.parse(JSON.stringify(one)) as Allocation);
    const next = new AddressAllocator(whole, limits);
    expect(kept.map((one) => next.retake(one))).toEqual(kept);
    expect([next.taken, next.bridges.map(({ index }) => index), next.capacity()]).toEqual([2, [0, 1], 12]);
    // Twice, and on a bridge that is said to be elsewhere.
    const [one] = kept as [Allocation];
    expect(next.retake(one)).toBeNull();
    const moved = (all[9] as Allocation).bridge;
    expect(next.retake({ ...(all[8] as Allocation), bridge: { ...moved, index: 1 } })).toBeNull();
    next.give(one);
    const rest = Array.from({ length: 11 }, () => (next.take() as Allocation).address);
    expect(next.take()).toBeNull();
    expect(new Set([...rest, kept[1]?.address])).toEqual(new Set(all.map(({ address }) => address)));
    // Given back last: it rests longest.
    expect(rest.indexOf(one.address)).toBeGreaterThan(rest.indexOf((all[3] as Allocation).address));
  });

  it('of bridges between which others are free are taken again in their places', () => {
    const limits = { bridges: 3, portsPerBridge: 5 };
    const first = new AddressAllocator(range('10.0.0.0/27'), limits);
    const all = Array.from({ length: 15 }, () => first.take() as Allocation);
    const next = new AddressAllocator(range('10.0.0.0/27'), limits);
    expect(next.retake(all[6] as Allocation)).toEqual(all[6]);
    expect(next.capacity()).toBe(15);
    const rest = Array.from({ length: 14 }, () => next.take() as Allocation);
    expect([next.take(), next.bridges.map(({ index }) => index)]).toEqual([null, [1, 0, 2]]);
    expect(new Set(rest.map(({ address }) => address)).size).toBe(14);
  });

  it('are not taken again where they would not be handed out', () => {
    const limits = { bridges: 2, portsPerBridge: 5 };
    const taken = (text: string, more: { bridges: number; portsPerBridge: number }, count: number): Allocation => {
      const allocator = new AddressAllocator(range(text), more);
      const all = Array.from({ length: count }, () => allocator.take() as Allocation);
      return all.at(-1) as Allocation;
    };
    const fine = taken('10.0.0.0/24', limits, 10);
    const { bridge } = fine;
    const wrong: Allocation[] = [
      taken('10.0.1.0/24', limits, 1),
      taken('10.0.0.0/24', { bridges: 2, portsPerBridge: 6 }, 1),
      taken('10.0.0.0/24', { bridges: 3, portsPerBridge: 5 }, 11),
      { ...fine, port: 5, address: '10.0.0.15' },
      { ...fine, port: -1, address: bridge.gateway },
      { ...fine, port: 0.5 },
      { ...fine, address: '10.0.0.13' },
      { ...fine, bridge: { ...bridge, gateway: '10.0.0.10' } },
      { ...fine, bridge: { ...bridge, index: -1 } },
      { ...fine, bridge: { ...bridge, subnet: { ...bridge.subnet, first: bridge.subnet.first + 1 } } },
    ];
    const next = new AddressAllocator(range('10.0.0.0/24'), limits);
    expect(wrong.map((one) => next.retake(one))).toEqual(wrong.map(() => null));
    expect([next.taken, next.bridges]).toEqual([0, []]);
    expect(next.retake(fine)).toEqual(fine);
  });

  interface Step {
    give: boolean;
    pick: number;
  }

  /** Takes and gives as told; nothing may be out twice, leave its subnet, or be a bridge's own. Returns what is out at the end. */
  function churn(
    bridges: number,
    portsPerBridge: number,
    steps: Iterable<Step>,
    kept: readonly Allocation[] = [],
  ): Allocation[] {
    const whole = range('10.64.0.0/12');
    const allocator = new AddressAllocator(whole, { bridges, portsPerBridge });
    const out = new Map<string, Allocation>();
    for (const one of kept) {
      const again = allocator.retake(one);
      expect(again).toEqual(one);
      out.set(one.address, again as Allocation);
    }
    for (const { give, pick } of steps) {
      const known = [...out.values()];
      if (give && known.length > 0) {
        const back = known[pick % known.length] as Allocation;
        out.delete(back.address);
        allocator.give(back);
        continue;
      }
      const taken = allocator.take();
      if (taken === null) {
        expect(out.size).toBe(bridges * portsPerBridge);
        continue;
      }
      const { address, bridge, port } = taken;
      expect(out.has(address)).toBe(false);
      const own = { first: parseAddress(address) as number, prefixLength: 32 };
      const { subnet, gateway } = bridge;
      expect(overlap(own, subnet) && overlap(subnet, whole) && address !== gateway).toBe(true);
      const last = subnet.first + 2 ** (32 - subnet.prefixLength) - 1;
      expect(own.first > subnet.first && own.first < last && port < portsPerBridge).toBe(true);
      out.set(address, taken);
      expect(allocator.taken).toBe(out.size);
    }
    const plans = allocator.bridges;
    for (const a of plans) for (const b of plans) expect(a === b || !overlap(a.subnet, b.subnet)).toBe(true);
    expect(new Set(plans.map(({ index }) => index)).size).toBe(plans.length);
    return [...out.values()];
  }

  it('are never out twice, whatever is taken and given back', () => {
    const step = fc.record({ give: fc.boolean(), pick: fc.nat(10_000) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.array(step),
        (bridges, ports, all) => {
          churn(bridges, ports, all);
        },
      ),
    );
  });

  it('are never out twice when some are kept from an earlier life', () => {
    const step = fc.record({ give: fc.boolean(), pick: fc.nat(10_000) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.array(step),
        fc.infiniteStream(fc.boolean()),
        fc.array(step),
        (bridges, ports, before, keeps, after) => {
          const kept = churn(bridges, ports, before).filter(() => keeps.next().value as boolean);
          // In any order, as they are found.
          churn(bridges, ports, after, (JSON.parse(JSON.stringify(kept)) as Allocation[]).reverse());
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are never out twice in 10,000 random steps on full-size bridges', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        let state = seed >>> 0;
        const next = (): number => {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
          return state >>> 8;
        };
        // More is taken than given, until two bridges and a part of the third are in use.
        churn(
          3,
          MOST_PORTS,
          Array.from({ length: 10_000 }, () => ({ give: next() % 8 < 3, pick: next() })),
        );
      }),
      { numRuns: 1 },
    );
  });
});

describe('names', () => {
  it('fit, differ between workers, and are told from those of others', () => {
    const allocator = new AddressAllocator(range('10.0.0.0/8'), { bridges: 64, portsPerBridge: MOST_PORTS });
    const names = new LinkNames('worker\0/var/lib/iluvatar/worker\0 0');
    expect(names.prefix).toMatch(/^il[0-9a-z]{6}$/);
    expect(new LinkNames('other').prefix).not.toBe(names.prefix);
    const all = new Set<string>();
    let taken = allocator.take();
    for (; taken !== null; taken = allocator.take()) {
      const port = names.port(taken);
      const bridge = names.bridge(taken.bridge);
      const fits = port.length <= 15 && bridge.length <= 15;
      if (!fits || !names.owns({ name: port, kind: 'veth' }) || !names.owns({ name: bridge, kind: 'bridge' })) {
        expect.fail(`${port} of ${bridge}`);
      }
      all.add(port);
    }
    expect(all.size).toBe(64 * MOST_PORTS);
    const { prefix } = names;
    for (const [name, kind] of [
      [`${prefix}b0`, 'veth'],
      [`${prefix}v0`, 'dummy'],
      [`${prefix}x0`, 'bridge'],
      [prefix, 'bridge'],
      ['eth0', ''],
    ] as const) {
      expect(names.owns({ name, kind })).toBe(false);
    }
    expect(macOf('10.187.0.2')).toBe('02:69:0a:bb:00:02');
  });
});
