import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SeccompRule, seccompProfile } from '../../src/backends/oci/seccomp-profile.js';

/** The filter for engines is the one of the worker's own sandbox: its names are read from the C++ source, its arguments are compared with what that does. */

const source = readFileSync(new URL('../../native/sandbox/seccomp.cc', import.meta.url), 'utf8');

/** What the source names by number, since older headers have no names for them: the same on every architecture. */
const BY_NUMBER: Readonly<Record<number, string>> = {
  425: 'io_uring_setup',
  426: 'io_uring_enter',
  427: 'io_uring_register',
  428: 'open_tree',
  429: 'move_mount',
  430: 'fsopen',
  431: 'fsconfig',
  432: 'fsmount',
  433: 'fspick',
  438: 'pidfd_getfd',
  440: 'process_madvise',
  442: 'mount_setattr',
  443: 'quotactl_fd',
  448: 'process_mrelease',
  450: 'set_mempolicy_home_node',
  457: 'statmount',
  458: 'listmount',
  467: 'open_tree_attr',
};

function table(name: string): string {
  const body = new RegExp(`${name}\\[?\\]? = \\{?([^;]*?)\\}?;`).exec(source)?.[1];
  if (body === undefined) throw new Error(`seccomp.cc has no ${name}`);
  return body.replace(/\/\/.*/g, '').replace(/#(if|ifdef|endif).*/g, '');
}

/** Whether a rule of the profile fits a call; as libseccomp compares. */
function fits(rules: readonly SeccompRule[], ...args: bigint[]): boolean {
  return rules.some((rule) =>
    (rule.args ?? []).every(({ index, value, valueTwo }) => ((args[index] ?? 0n) & BigInt(value)) === BigInt(valueTwo)),
  );
}

const rulesOf = (name: string, links = false): SeccompRule[] =>
  seccompProfile(links, 'x64').syscalls.filter(({ names }) => names.includes(name));

/** Of 64 bits, the upper half of which the kernel does not look at. */
const argument = fc
  .tuple(
    fc.oneof(
      fc.nat({ max: 64 }),
      fc.integer({ min: 0, max: 31 }).map((bit) => 2 ** bit),
      fc.constantFrom(0x8, 0x20000, 0x20008, 0xffffffff, 0x5412, 0x541c),
      fc.integer({ min: 0, max: 0xffffffff }),
    ),
    fc.constantFrom(0n, 1n, 0xffffffffn),
  )
  .map(([low, high]) => ({ low, whole: (high << 32n) | BigInt(low) }));

describe('the system-call filter for engines', () => {
  it('denies what native/sandbox/seccomp.cc denies', () => {
    const body = table('kDenied');
    const named = [...body.matchAll(/SYS_(\w+)/g)].map(([, name]) => name as string);
    const numbered = [...body.matchAll(/(?<![\w])(\d{3})(?!\w)/g)].map(([, number]) => BY_NUMBER[Number(number)]);
    expect(named.length).toBeGreaterThan(50);
    expect(numbered).toHaveLength(Object.keys(BY_NUMBER).length);
    const [denied] = seccompProfile(false, 'x64').syscalls;
    expect([...(denied?.names ?? [])].sort()).toEqual([...named, ...numbered].sort());
    expect(denied).toMatchObject({ action: 'SCMP_ACT_ERRNO', errnoRet: 1 });
  });

  it('has no system call of clone3', () => {
    expect(source).toContain('ReturnIfEqual(kClone3, Fail(ENOSYS))');
    expect(rulesOf('clone3')).toEqual([{ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }]);
  });

  it('denies the same flags of clone', () => {
    const flags = [...table('kNamespaceFlags').matchAll(/CLONE_NEW(\w+)/g)].map(([, name]) => name as string);
    const numbers: Record<string, number> = {
      ...{ NS: 0x20000, CGROUP: 0x2000000, UTS: 0x4000000, IPC: 0x8000000, USER: 0x10000000, PID: 0x20000000 },
      ...{ NET: 0x40000000, TIME: 0x80 },
    };
    const mask = flags.reduce((all, name) => all | (numbers[name] as number), 0);
    expect(flags).toHaveLength(8);
    fc.assert(
      fc.property(argument, ({ low, whole }) => {
        expect(fits(rulesOf('clone'), whole)).toBe((low & mask) !== 0);
      }),
    );
  });

  it('allows the same personalities, and no other', () => {
    const allowed = table('kPersonalities')
      .split(',')
      .map((text) => Number(text.trim()));
    expect(allowed).toEqual([0, 0x8, 0x20000, 0x20008, 0xffffffff]);
    for (const value of allowed) expect(fits(rulesOf('personality'), BigInt(value))).toBe(false);
    fc.assert(
      fc.property(argument, ({ low, whole }) => {
        expect(fits(rulesOf('personality'), whole)).toBe(!allowed.includes(low));
      }),
    );
  });

  it('denies the same ioctls', () => {
    const numbers = ['kTerminalInject', 'kTerminalPaste'].map((name) => Number(table(name)));
    expect(numbers).toEqual([0x5412, 0x541c]);
    fc.assert(
      fc.property(argument, ({ low, whole }) => {
        expect(fits(rulesOf('ioctl'), 0n, whole)).toBe(numbers.includes(low));
      }),
    );
  });

  it('allows the same families of sockets, and of netlink links alone', () => {
    expect(source).toContain('{AF_UNIX, AF_INET, AF_INET6}');
    fc.assert(
      fc.property(argument, argument, fc.boolean(), (family, protocol, links) => {
        const known = [1, 2, 10].includes(family.low) || (links && family.low === 16 && protocol.low === 0);
        expect(fits(rulesOf('socket', links), family.whole, 1n, protocol.whole)).toBe(!known);
      }),
      { numRuns: 1000 },
    );
    for (const rule of rulesOf('socket')) expect(rule.errnoRet).toBe(97);
  });

  it('has one architecture, and says where there is none', () => {
    expect(seccompProfile(true, 'arm64').architectures).toEqual(['SCMP_ARCH_AARCH64']);
    expect(() => seccompProfile(true, 'riscv64')).toThrow(RangeError);
  });

  it('has rules that libseccomp can take: one comparison an argument', () => {
    for (const { args = [] } of seccompProfile(true).syscalls) {
      expect(new Set(args.map(({ index }) => index)).size).toBe(args.length);
    }
  });
});
