/**
 * What of systemd's protections a worker can live with, and why not the others. A worker makes containers: it mounts, makes namespaces and cgroups, changes users, and
 * reads what it is told to run from wherever that lies. All but `MOUNTS` is inherited by the containers, whose own filters refuse more than this.
 */

/** Capabilities that a worker uses; everything else is out of its reach, and of the reach of all that it starts. */
export const CAPABILITIES: readonly string[] = [
  // Mounts, namespaces, cgroups; bridges, veth pairs, nftables; ports under 1024; raw sockets of namespaces' own.
  ...['CAP_SYS_ADMIN', 'CAP_SYS_CHROOT', 'CAP_NET_ADMIN', 'CAP_NET_BIND_SERVICE', 'CAP_NET_RAW'],
  // Users of containers, and the files that are theirs.
  ...['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP', 'CAP_CHOWN', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_SETFCAP', 'CAP_MKNOD'],
  ...['CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH'],
  // Ends and limits of containers, and sockets behind /proc/<pid>/root.
  ...['CAP_KILL', 'CAP_SYS_PTRACE', 'CAP_SYS_RESOURCE', 'CAP_SYS_NICE'],
];

/** Each with its reason; the reasons stand in the unit file. */
export const PROTECTIONS: readonly (readonly [directive: string, why: string])[] = [
  ['NoNewPrivileges=yes', 'Nothing that it starts needs setuid programs.'],
  [`CapabilityBoundingSet=${CAPABILITIES.join(' ')}`, 'What containers are made with.'],
  ['LockPersonality=yes', ''],
  ['RestrictRealtime=yes', ''],
  ['RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK', 'Netlink makes the networks.'],
  ['SystemCallArchitectures=native', ''],
  ['SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap', ''],
  ['SystemCallErrorNumber=EPERM', ''],
];

/**
 * They give the worker a mount namespace of its own. An engine outside of it cannot follow: it is told network namespaces by a path that is a mount, and would find an
 * empty file there. So they are for workers whose containers are all their own.
 */
export const MOUNTS: readonly (readonly [directive: string, why: string])[] = [
  ['ProtectSystem=strict', 'It writes where ReadWritePaths= says, and in its StateDirectory=.'],
  ['ProtectHome=read-only', 'Sources of functions may lie there.'],
  ['ProtectKernelModules=yes', ''],
  ['ProtectKernelLogs=yes', ''],
];

/** Not to be added by a well-meaning hand. */
export const LEFT_OUT: readonly (readonly [directive: string, why: string])[] = [
  ['PrivateTmp', 'a function is registered by its path, which may be below /tmp'],
  ['PrivateDevices, ProtectClock, DevicePolicy', 'GPUs, and the devices of containers, are the host’s'],
  ['ProtectKernelTunables', 'cgroups are made below /sys, and network.forwarding sets net.ipv4.ip_forward'],
  ['ProtectControlGroups', 'limits of containers are cgroups'],
  ['ProtectHostname', 'a container has a host name of its own'],
  ['ProtectProc, ProcSubset', 'containers are measured and reached through /proc'],
  ['PrivateNetwork, IPAddressDeny', 'it serves HTTP, and its bridges are the host’s'],
  ['PrivateUsers, User', 'limits, networks and users of containers need root'],
  ['RestrictNamespaces', 'containers are namespaces'],
  ['RestrictSUIDSGID', 'layers of images have setuid files, which are unpacked (and mounted nosuid)'],
  ['UMask=0077', 'containers read their code as users of their own'],
  ['MemoryDenyWriteExecute', 'JavaScript is compiled at run time'],
  ['SystemCallFilter=@system-service', 'mounts, namespaces and bpf are outside of it'],
];
