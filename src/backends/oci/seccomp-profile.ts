/**
 * The system-call filter of the worker's own sandbox (native/sandbox/seccomp.cc) in the form of the OCI runtime specification (`linux.seccomp`), for engines that
 * start containers with runc; a test holds the two together. It compares the low words of arguments, as the kernel does with an `int`: whatever is in
 * the upper halves changes nothing.
 *
 * libseccomp passes over names that it does not know, and so does runc: what is newer than the libseccomp of the machine is then not denied. Of those here, 2.5.4 (Debian 12) does not know
 * `statmount`, `listmount` and `open_tree_attr`.
 */

export interface SeccompProfile {
  readonly defaultAction: string;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

/** Rules of the same call are alternatives; the arguments of one rule must all fit. */
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet: number;
  readonly args?: readonly SeccompArgument[];
}

export interface SeccompArgument {
  readonly index: number;
  /** With SCMP_CMP_MASKED_EQ: the mask. */
  readonly value: number;
  /** With SCMP_CMP_MASKED_EQ: what is left under the mask. */
  readonly valueTwo: number;
  readonly op: 'SCMP_CMP_MASKED_EQ';
}

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const LOW_WORD = 0xffffffff;

/** Denied whatever they are called with. Names of one architecture mean nothing on another. */
const DENIED = [
  ...['mount', 'umount2', 'pivot_root', 'chroot', 'setns', 'unshare', 'ptrace', 'process_vm_readv'],
  ...['process_vm_writev', 'kcmp', 'keyctl', 'add_key', 'request_key', 'bpf', 'perf_event_open', 'userfaultfd'],
  ...['kexec_load', 'kexec_file_load', 'init_module', 'finit_module', 'delete_module', 'reboot', 'swapon', 'swapoff'],
  ...['acct', 'quotactl', 'nfsservctl', 'settimeofday', 'clock_settime', 'clock_adjtime', 'adjtimex'],
  ...['open_by_handle_at', 'name_to_handle_at', 'fanotify_init', 'fanotify_mark', 'lookup_dcookie', 'move_pages'],
  ...['migrate_pages', 'mbind', 'set_mempolicy', 'syslog', 'vhangup', 'sethostname', 'setdomainname'],
  ...['iopl', 'ioperm', 'modify_ldt', '_sysctl', 'uselib', 'ustat', 'sysfs', 'create_module', 'get_kernel_syms'],
  ...['query_module', 'io_uring_setup', 'io_uring_enter', 'io_uring_register', 'open_tree', 'move_mount', 'fsopen'],
  ...['fsconfig', 'fsmount', 'fspick', 'pidfd_getfd', 'process_madvise', 'mount_setattr', 'quotactl_fd'],
  ...['process_mrelease', 'set_mempolicy_home_node', 'statmount', 'listmount', 'open_tree_attr'],
] as const;

const CLONE_NEW = {
  time: 0x00000080,
  mount: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  network: 0x40000000,
} as const;

/** Bits of personality() that a function may set: the 32-bit uname and an old version number. All 32 bits are the query. */
const HARMLESS_PERSONALITY = 0x0008 | 0x20000;

/** Push characters into, or paste the selection of, somebody's terminal. */
const TERMINAL_IOCTLS = { TIOCSTI: 0x5412, TIOCLINUX: 0x541c } as const;

const AF = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' };

/** `links`: route netlink sockets are useful only where there is more than `lo`. Throws a RangeError for an architecture that has no filter. */
export function seccompProfile(links: boolean, architecture: string = process.arch): SeccompProfile {
  const scmp = ARCHITECTURES[architecture];
  if (scmp === undefined) throw new RangeError(`there is no system-call filter for "${architecture}"`);
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    // One alone: calls by another's numbers (32-bit, x32) would be a second, unfiltered set. They kill the caller.
    architectures: [scmp],
    syscalls: [
      deny(DENIED, EPERM),
      // Its flags are in memory, where a filter cannot look: the C library falls back to clone on ENOSYS.
      deny(['clone3'], ENOSYS),
      ...Object.values(CLONE_NEW).map((flag) => deny(['clone'], EPERM, [masked(0, flag, flag)])),
      ...personalityRules(),
      ...Object.values(TERMINAL_IOCTLS).map((number) => deny(['ioctl'], EPERM, [masked(1, LOW_WORD, number)])),
      ...socketRules(links),
    ],
  };
}

/**
 * Denied: each harmful bit, unless it is the query, which has them all. One comparison an argument is all that a rule may have, so that is said with two bits at a time.
 */
function personalityRules(): SeccompRule[] {
  const top = 1 << 31;
  const rule = (mask: number, value: number): SeccompRule =>
    deny(['personality'], EPERM, [masked(0, mask >>> 0, value >>> 0)]);
  const below = bits(0, 30);
  return [
    // With the highest bit it can only be the query: every other bit is missed.
    ...below.map((bit) => rule(top | bit, top)),
    ...below.filter((bit) => (bit & HARMLESS_PERSONALITY) === 0).map((bit) => rule(top | bit, bit)),
  ];
}

function socketRules(links: boolean): SeccompRule[] {
  const refuse = (...args: SeccompArgument[]): SeccompRule => deny(['socket'], EAFNOSUPPORT, args);
  const allowed: number[] = [AF.unix, AF.inet, AF.inet6, ...(links ? [AF.netlink] : [])];
  const low = Array.from({ length: 32 }, (_, family) => family).filter((family) => !allowed.includes(family));
  return [
    ...low.map((family) => refuse(masked(0, LOW_WORD, family))),
    ...bits(5, 31).map((bit) => refuse(masked(0, bit, bit))),
    ...(links ? netlinkRules(refuse) : []),
  ];
}

/** Every protocol of netlink but NETLINK_ROUTE, which is 0: whatever has a bit. */
function netlinkRules(refuse: (...args: SeccompArgument[]) => SeccompRule): SeccompRule[] {
  return bits(0, 31).map((bit) => refuse(masked(0, LOW_WORD, AF.netlink), masked(2, bit, bit)));
}

function bits(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => (1 << (from + i)) >>> 0);
}

function deny(names: readonly string[], errnoRet: number, args?: readonly SeccompArgument[]): SeccompRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet, ...(args === undefined ? {} : { args }) };
}

function masked(index: number, mask: number, value: number): SeccompArgument {
  return { index, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' };
}
