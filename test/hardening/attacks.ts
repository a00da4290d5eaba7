import { readFileSync } from 'node:fs';

/**
 * What is expected of each attempt of attacks.py and raw.c, on every backend, and what differs on one by its nature, with the reason. An attempt that is not in these tables, or
 * that is in them and was not made, fails the test.
 */

export type BackendKind = 'process' | 'containerd' | 'docker';

/** `how`: the name of the error that refused it, or what came of it. */
export interface AttackRecord {
  readonly attempt: string;
  readonly refused: boolean;
  readonly how: string;
}

/** Refused with one of these, or of no harm, and then why. */
export type Expected = { readonly by: readonly string[] } | { readonly harmless: string };

export interface AttackGroup {
  readonly title: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly attempts: Readonly<Record<string, Expected>>;
}

type Attempts = Record<string, Expected>;

const CAP_SYS_RESOURCE = 24;

const by = (...names: string[]): Expected => ({ by: names });
const harmless = (why: string): Expected => ({ harmless: why });
const all = (expected: Expected, prefix: string, ...names: string[]): Attempts =>
  Object.fromEntries(names.map((name) => [`${prefix}${name}`, expected]));

const READ_ONLY = by('EROFS', 'EACCES');
const HIDDEN = by('ENOENT', 'EACCES', 'EPERM');
const GONE = by('ENOENT');
const NOT_PERMITTED = by('EPERM');
const NO_FAMILY = by('EAFNOSUPPORT');

const FILES: Attempts = {
  ...all(READ_ONLY, 'create a file in ', '/', '/usr', '/usr/bin', '/etc', '/function', '/layers', '/iluvatar'),
  ...all(READ_ONLY, 'create a file in ', '/iluvatar/sockets', '/dev', 'the bound folder'),
  ...all(by('ENOENT', 'EROFS'), 'create a file in ', '/proc', '/sys'),
  'make a folder in /': READ_ONLY,
  ...all(READ_ONLY, 'write ', 'a bound file', 'its code', '/usr/bin/env', '/etc/passwd'),
  'write /proc/self/exe': by('EACCES', 'ETXTBSY'),
  'write the program of pid 1': HIDDEN,
  ...all(READ_ONLY, '', 'delete a bound file', 'rename a bound file', 'truncate a bound file', 'chmod of a bound file'),
  ...all(READ_ONLY, '', 'chown of a bound file', 'utime of a bound file', 'setxattr of a bound file'),
  'a hard link to a bound file': by('EXDEV'),
  'rename /iluvatar/sockets': by('EROFS', 'EBUSY'),
  'read a secret bound file': by('EACCES'),
  ...all(GONE, 'read ', '/etc/shadow', 'a file of the host', 'a file of the host through ..'),
  'read a file of the host through /proc/self/root': GONE,
  'read a file of the host through /proc/1/root': HIDDEN,
  'read a file of the host through /proc/1/cwd': HIDDEN,
  'write through a link of its own': GONE,
  ...all(GONE, 'list ', '/home', '/var', '/run', '/boot', '/srv', '/.store', '/.run', '/.old'),
  'list /root': harmless('an interpreter that is installed there is seen, and nothing beside it'),
  'list /.host': by('ENOENT', 'empty'),
  ...all(GONE, 'list ', "the worker's data folder", "the engine's folder"),
};

const SYSCTL = by('EACCES', 'EROFS', 'EPERM', 'ENOENT');

const PROC: Attempts = {
  ...all(
    SYSCTL,
    'write /proc/sys/kernel/',
    'core_pattern',
    'modprobe',
    'hostname',
    'randomize_va_space',
    'ns_last_pid',
  ),
  ...all(SYSCTL, 'write /proc/sys/', 'vm/drop_caches', 'vm/overcommit_memory', 'net/ipv4/ip_forward', 'fs/file-max'),
  ...all(SYSCTL, 'write /proc/sys/', 'net/ipv4/ip_unprivileged_port_start', 'fs/binfmt_misc/register'),
  ...all(SYSCTL, 'write /proc/', 'sys/user/max_user_namespaces', 'sysrq-trigger', 'irq/0/smp_affinity', 'mtrr'),
  ...all(HIDDEN, 'write /proc/1/', 'mem', 'oom_score_adj', 'comm', 'uid_map'),
  'write /proc/1/attr/current': by('ENOENT', 'EINVAL', 'EACCES', 'EPERM'),
  ...all(NOT_PERMITTED, 'write /proc/self/', 'uid_map', 'projid_map'),
  'write /proc/self/attr/exec': by('EINVAL', 'EACCES', 'EPERM', 'ENOENT'),
  ...all(by('ENOENT', 'EACCES', 'EPERM', 'empty'), 'read /proc/', 'kcore', 'kmsg', 'keys', 'timer_list', 'sched_debug'),
  ...all(HIDDEN, 'read /proc/', 'slabinfo', 'vmallocinfo', 'pagetypeinfo'),
  'read /proc/iomem': harmless('without rights every address in it is 0'),
  ...all(HIDDEN, 'read /proc/1/', 'mem', 'environ', 'maps', 'auxv', 'syscall', 'stack'),
  'addresses of the kernel': by('zeros', 'ENOENT'),
  'own memory of physical addresses': by('zeros', 'EPERM', 'ENOENT'),
  ...all(HIDDEN, 'follow /proc/1/', 'root', 'cwd', 'exe', 'fd/0', 'ns/mnt', 'ns/net'),
  'go before others when memory runs out': by('EACCES'),
  // The kernel remembers what one with the right has set as the least.
  'be spared when memory runs out': hasResourceRight()
    ? by('EACCES')
    : harmless('this machine’s root has no CAP_SYS_RESOURCE, and so cannot set a least value'),
  ...all(by('ENOENT', 'EROFS', 'EACCES'), 'write /sys/', 'kernel/uevent_helper', 'power/state', 'kernel/debug/x'),
  ...all(by('ENOENT', 'EROFS', 'EACCES'), 'write /sys/', 'firmware/x', 'kernel/mm/transparent_hugepage/enabled'),
  'write /sys/fs/cgroup/cgroup.procs': by('ENOENT', 'EROFS', 'EACCES'),
  'write a file of its cgroup': by('no cgroup in sight'),
};

const DEVICES: Attempts = {
  ...all(GONE, 'open /dev/', 'mem', 'kmem', 'port', 'kmsg', 'sda', 'vda', 'loop-control', 'loop0', 'fuse', 'kvm'),
  ...all(
    GONE,
    'open /dev/',
    'net/tun',
    'mapper/control',
    'snapshot',
    'vhost-net',
    'userfaultfd',
    'cpu/0/msr',
    'uinput',
  ),
  'find a device that is not harmless': by('no other device'),
};

const OTHERS: Attempts = {
  'see a process of another': by('nobody else'),
  ...all(by('ESRCH'), '', 'signal 9 to pid 70000', 'signal 19 to pid 70000', 'signal 0 to pid 70000'),
};

const NETWORK: Attempts = {
  'find a link': by('only lo'),
  'connect to the host at 127.0.0.1': by('ECONNREFUSED'),
  'connect to the host at ::1': by('ECONNREFUSED', 'EADDRNOTAVAIL'),
  'connect to the host at its address': by('ENETUNREACH'),
  'send a datagram out': by('ENETUNREACH'),
  'connect to an abstract socket of the host': by('ECONNREFUSED'),
  ...all(GONE, 'connect to ', 'a socket of the host', 'a socket of the worker', 'a socket of the engine'),
  'connect to the machine’s Docker': GONE,
  // The door has closed behind its agent: the file may still be there, and nobody listens.
  'call the worker again': by('ENOENT', 'ECONNREFUSED'),
};

const TOKEN: Attempts = {
  'its token in os.environ': by('not there'),
  'its token in /proc/self/environ': by('not there'),
  'its token in /proc/1/environ': HIDDEN,
};

const IDENTITY: Attempts = all(
  // Docker's kernel refuses to execute what would give capabilities that are not in the bounding set.
  by('no rights', 'EPERM'),
  '',
  'a setuid program of root',
  'a setgid program of root',
  'a program with capabilities',
  'a setuid program of its own',
);

const MOUNTS: Attempts = all(
  NOT_PERMITTED,
  '',
  ...['mount a tmpfs', 'mount proc', 'mount a cgroup hierarchy', 'mount cgroup2', 'bind a folder', 'unmount /proc'],
  ...['make the root writable', 'pivot_root', 'chroot', 'open_tree', 'move_mount', 'fsopen', 'mount_setattr', 'swapon'],
  'quotactl',
);

const KINDS = ['user', 'mount', 'pid', 'network', 'ipc', 'uts', 'cgroup', 'time'];
const NAMESPACES: Attempts = {
  ...all(NOT_PERMITTED, 'unshare the ', ...KINDS.map((kind) => `${kind} namespace`)),
  ...all(NOT_PERMITTED, 'clone into a new ', ...KINDS.map((kind) => `${kind} namespace`)),
  'clone3 into a new user namespace': by('ENOSYS'),
  ...all(NOT_PERMITTED, 'setns ', 'to its own network', 'through a pidfd of pid 1'),
};

const PROCESSES: Attempts = {
  ...all(NOT_PERMITTED, '', 'ptrace pid 1', 'ptrace its parent', 'process_vm_readv of pid 1', 'kcmp with pid 1'),
  ...all(NOT_PERMITTED, '', 'process_vm_writev of its parent', 'pidfd_getfd of pid 1', 'process_madvise of pid 1'),
  ...all(NOT_PERMITTED, '', 'process_mrelease of pid 1', 'move_pages of pid 1', 'real-time scheduling'),
  ...all(NOT_PERMITTED, '', 'real-time input and output', 'more open files', 'core dumps'),
  'a higher priority': by('EACCES', 'EPERM'),
};

const RIGHTS: Attempts = {
  ...all(NOT_PERMITTED, '', 'setuid of another', 'setresgid of another', 'setgroups', 'capset', 'chown to root'),
  ...all(NOT_PERMITTED, '', 'an ambient capability', 'choose the place of its memory', 'mknod of a disk'),
  'mknod of /dev/mem': NOT_PERMITTED,
  ...all(by('EINVAL'), '', 'take no_new_privs back', 'take the filter back'),
  'a whiteout': harmless('a node that opens no device, and hides nothing but in its own /tmp'),
};

const KERNEL: Attempts = {
  ...all(NOT_PERMITTED, '', 'bpf', 'perf_event_open', 'userfaultfd', 'io_uring_setup', 'io_uring_enter', 'keyctl'),
  ...all(NOT_PERMITTED, '', 'io_uring_register', 'keyctl join session', 'add_key', 'request_key', 'name_to_handle_at'),
  ...all(NOT_PERMITTED, '', 'open_by_handle_at', 'fanotify_init', 'init_module', 'finit_module', 'delete_module'),
  ...all(NOT_PERMITTED, '', 'kexec_load', 'reboot', 'acct', 'settimeofday', 'adjtimex', 'sethostname', 'setdomainname'),
  ...all(NOT_PERMITTED, '', 'syslog', 'vhangup', 'set_mempolicy', 'statmount', 'listmount', 'TIOCSTI', 'TIOCLINUX'),
  ...all(NOT_PERMITTED, '', 'personality without random addresses', 'TIOCSTI with high bits'),
  ...(process.arch === 'x64' ? all(NOT_PERMITTED, '', 'iopl', 'ioperm', 'modify_ldt') : {}),
  ...all(by('SIGSYS', 'ENOSYS'), 'a call by its number of ', 'x32', 'i386'),
};

const SOCKETS: Attempts = {
  ...all(NOT_PERMITTED, 'a raw ', 'IPv4 socket', 'IPv6 socket'),
  ...all(
    NO_FAMILY,
    '',
    'a packet socket',
    'a route socket',
    'an audit socket',
    'a netfilter socket',
    'a uevent socket',
  ),
  ...all(NO_FAMILY, '', 'a vsock', 'an alg socket', 'an xdp socket', 'a tipc socket', 'a can socket', 'an rds socket'),
  ...all(NO_FAMILY, '', 'a bluetooth socket', 'a key socket'),
};

export const GROUPS: readonly AttackGroup[] = [
  { title: 'files of the host, and its own code', args: { do: 'files' }, attempts: FILES },
  { title: 'the kernel’s settings, and pid 1, by /proc and /sys', args: { do: 'proc' }, attempts: PROC },
  { title: 'devices', args: { do: 'devices' }, attempts: DEVICES },
  { title: 'processes of others', args: { do: 'others' }, attempts: OTHERS },
  { title: 'the network and sockets of the host', args: { do: 'network' }, attempts: NETWORK },
  { title: 'its token', args: { do: 'token' }, attempts: TOKEN },
  { title: 'rights of a program’s file', args: { do: 'identity' }, attempts: IDENTITY },
  { title: 'mounts', args: { do: 'raw', what: 'mounts' }, attempts: MOUNTS },
  { title: 'namespaces', args: { do: 'raw', what: 'namespaces' }, attempts: NAMESPACES },
  { title: 'processes, priorities and limits', args: { do: 'raw', what: 'processes' }, attempts: PROCESSES },
  { title: 'users and capabilities', args: { do: 'raw', what: 'rights' }, attempts: RIGHTS },
  { title: 'doors into the kernel', args: { do: 'raw', what: 'kernel' }, attempts: KERNEL },
  { title: 'kinds of sockets', args: { do: 'raw', what: 'sockets' }, attempts: SOCKETS },
];

const TOKEN_STAYS = harmless('the kernel keeps what a program was started with; nobody opens to this token any more');

/** What is otherwise on one backend. */
const DIFFERENCES: Readonly<Record<BackendKind, Attempts>> = {
  process: {},
  containerd: { 'its token in /proc/self/environ': TOKEN_STAYS },
  docker: {
    'its token in /proc/self/environ': TOKEN_STAYS,
    // Docker mounts the container's own cgroup for it to read.
    'write a file of its cgroup': by('EACCES EROFS', 'EROFS', 'EACCES'),
  },
};

/** runc leaves out the system calls that its libseccomp does not know yet: both tell a container of its own mounts alone. */
const UNKNOWN_TO_RUNC = { by: ['EPERM', 'EINVAL'] };

/** Where root of the container is uid 0 of the host, without any right of root's. */
const AS_ROOT: Attempts = {
  'create a file in /dev': harmless('a tmpfs of a bounded size, counted as its memory'),
  'read a secret bound file': harmless(
    'it belongs to its user: do not show root’s secrets to functions that run as root',
  ),
  'write /proc/1/oom_score_adj': harmless('its own pid 1'),
  'write /proc/1/comm': by('EINVAL'),
  'read /proc/slabinfo': harmless('numbers without addresses'),
  'read /proc/vmallocinfo': harmless('its addresses are hashes'),
  'read /proc/pagetypeinfo': harmless('numbers without addresses'),
};

export interface Setting {
  readonly kind: BackendKind;
  readonly asRoot: boolean;
  /** Containers are made by runc. */
  readonly runc: boolean;
}

export function expectedOf(attempts: Attempts, { kind, asRoot, runc }: Setting): Attempts {
  const changes: Attempts = {
    ...DIFFERENCES[kind],
    ...(asRoot ? AS_ROOT : {}),
    ...(runc ? { statmount: UNKNOWN_TO_RUNC, listmount: UNKNOWN_TO_RUNC } : {}),
  };
  return Object.fromEntries(Object.entries(attempts).map(([name, expected]) => [name, changes[name] ?? expected]));
}

/** A table of all that is not as expected; '' = everything is. */
export function unexpected(records: readonly AttackRecord[], attempts: Attempts): string {
  const rows: string[] = [];
  const row = (attempt: string, said: string, expected: string): void => {
    rows.push(`${attempt.padEnd(48)} | ${said.padEnd(40)} | ${expected}`);
  };
  for (const { attempt, refused, how } of records) {
    const expected = attempts[attempt];
    const said = `${refused ? 'refused' : 'LET THROUGH'}: ${how}`;
    if (expected === undefined) row(attempt, said, 'not in the table');
    else if ('by' in expected && !(refused && expected.by.includes(how))) row(attempt, said, expected.by.join(', '));
  }
  const made = new Set(records.map(({ attempt }) => attempt));
  for (const attempt of Object.keys(attempts)) if (!made.has(attempt)) row(attempt, 'was not tried', '');
  return rows.join('\n');
}

function hasResourceRight(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(CAP_SYS_RESOURCE)) & 1n) === 1n;
}
