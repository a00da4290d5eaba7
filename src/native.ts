import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { NativeHttp2 } from './native-http2.js';
import { PACKAGE_ROOT } from './package-files.js';

/**
 * The typed door to the addon, and the only file that loads it. Every property is set; `null` means none. Arguments are complete and checked by
 * the caller. Failures are Node system errors (`code`, `errno`, `syscall`, `path`).
 */

/** Kind numbers in `TransportEvents` beside the frame types of docs/protocol.md. */
export const CONNECTION_OPEN = 128;
export const CONNECTION_CLOSED = 129;
export const CONNECTION_DRAINED = 130;
/** Of HTTP/2, after `http2Leave`: everything is written, and the other end is expected to close. */
export const CONNECTION_FINISHED = 131;

/** Words of one record in the event array. */
export const EVENT_WORDS = 12;

export interface TransportOptions {
  /** Largest body accepted; bytes. */
  maxBodyBytes: number;
  /** Spin this long for more work before sleeping; µs, 0 = never. */
  spinUs: number;
  /** Bytes waiting to be written on a connection above which `send` reports back-pressure (and CONNECTION_DRAINED follows). */
  highWaterBytes: number;
  /**
   * Called once per loop iteration with the number of records in `events`. A record is EVENT_WORDS u32 words:
   * connection, kind, status, flags, requestId, x0, x1, x2, metaBytes, bodyBytes, payload token (0 = none), listener id (CONNECTION_OPEN) or index
   * into the error list (CONNECTION_CLOSED, 0 = clean end).
   */
  onEvents: (count: number) => void;
  events: Uint32Array;
  /** For a few bytes that are not worth a buffer of their own; see `peek` and `http2AnswerField`. Absent = it has no room. */
  window?: Uint8Array;
}

/** One per environment and event loop. Payload tokens stay valid until taken, forwarded, dropped, or the transport is destroyed. */
export interface NativeTransport extends NativeHttp2 {
  listen(path: string, mode: number, backlog: number): number;
  /** On a copy of a unix socket that listens; the descriptor and its path stay the caller's. */
  listenOn(fd: number): number;
  closeListener(listener: number): void;
  /** Connects at once (unix sockets do not wait) or throws. `legacy` speaks the 16-byte-header protocol. */
  connect(path: string, helloMeta: string, legacy: boolean): number;
  /** HELLO of accepted connections. */
  setHello(meta: string): void;
  /** Takes over a connected stream socket: any failure closes it. */
  attach(fd: number, helloMeta: string, legacy: boolean): number;
  /** As `attach`, of a socket on which both HELLOs have passed: sends none and takes none. `peerMaxBody` as `peerMaxBody()` said. */
  attachGreeted(fd: number, peerMaxBody: number): number;
  /**
   * Gives up a connection and returns its descriptor, from now on the caller's and neither closed nor shut down; no record follows. −1 = not now: HELLO
   * has not come, a frame is half read, frames are read and not delivered, bytes are unsent (writing them is tried), or it is gone. Nothing has
   * changed then. `handled`: records of the running delivery that `onEvents` is done with. Never in the legacy dialect.
   */
  detach(connection: number, handled: number): number;
  /** Stays the connection's: to duplicate. Throws ENOTCONN. */
  descriptor(connection: number): number;
  /** Largest body the peer said it takes; bytes. Infinity before its HELLO, when that states none, and when it is gone. */
  peerMaxBody(connection: number): number;
  /**
   * false = above the high-water mark, or the connection is gone, or (legacy) the old protocol has no such message. Written at the latest before the loop
   * polls again, together with everything else sent until then. A body over what the peer's HELLO accepts: RESULT and REPLY become `too_large`, anything
   * else throws ERR_FRAME_TOO_LARGE, as does a meta over 1 MiB.
   */
  send(
    connection: number,
    type: number,
    status: number,
    flags: number,
    requestId: number,
    x0: number,
    x1: number,
    x2: number,
    meta: string | null,
    body: Uint8Array | string | null,
  ): boolean;
  /** As `send`, with the *body* of a received payload, without copying it through JavaScript. Frees the token. */
  forward(
    connection: number,
    type: number,
    status: number,
    flags: number,
    requestId: number,
    x0: number,
    x1: number,
    x2: number,
    meta: string | null,
    payload: number,
  ): boolean;
  /** Writes at once what was sent; nothing is delivered. For a thread that will not come round its loop again. */
  flush(): void;
  meta(payload: number): string;
  body(payload: number): Buffer;
  /** Of its body; 0 for an unknown one. */
  bodyBytes(payload: number): number;
  drop(payload: number): void;
  /** Written first is what was sent. The other end sees the end even if somebody has a copy of the socket; after `destroy` it does not. */
  close(connection: number): void;
  /** Stop and resume reading (back-pressure towards the peer). A frame that has begun is still read, and nothing behind it. */
  pause(connection: number): void;
  resume(connection: number): void;
  peer(connection: number): { pid: number; uid: number; gid: number };
  lastError(index: number): { code: string; message: string };
  /** Closes at once; what the socket does not take is lost. */
  abort(connection: number): void;
  counters(): {
    framesIn: number;
    framesOut: number;
    reads: number;
    writes: number;
    payloadsLive: number;
    connections: number;
  };
  destroy(): void;
}

export interface CgroupMount {
  /** v2: controllers available in this hierarchy. v1: the controllers mounted here. */
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  readonly path: string;
}

/** null = no limit. */
export interface CgroupLimits {
  /** Hard limit of what is in RAM; bytes. */
  memoryBytes: number | null;
  /** Beside it; bytes. Only where `memoryBytes` is set. */
  swapBytes: number | null;
  /** CPUs, 100 ms period. */
  cpus: number | null;
  /** Weight in units of version 1; null = left as it is, which is 1024 in a new group. */
  shares: number | null;
  pids: number | null;
}

export interface CgroupMemory {
  /** Anonymous, kernel and shared memory and tmpfs: what only an end of the processes (or swap) gives back. */
  usedBytes: number;
  /** File pages that the kernel drops when somebody needs the room. */
  cacheBytes: number;
}

export interface CgroupEvidence {
  oomKills: number;
  /** Times the limit was hit. */
  limitHits: number;
  peakBytes: number | null;
  currentBytes: number | null;
  limitBytes: number | null;
  cpuUsageUs: number | null;
}

/** Blocking, short. `dirs` are absolute cgroup directories, one per hierarchy in use. */
export interface NativeCgroup {
  mounts(): CgroupMount[];
  create(dirs: string[]): void;
  setLimits(dirs: string[], versions: number[], limits: CgroupLimits): void;
  evidence(dirs: string[], versions: number[]): CgroupEvidence;
  memory(dirs: string[], versions: number[]): CgroupMemory;
  /** Of an open `cpu.stat`: time held back by the quota, summed over the cores; µs, -1 = the group is gone. */
  throttledUs(file: number): number;
  /** Of an open file with one number in it; -1 = the group is gone. */
  counter(file: number): number;
  /** Makes the folder of this version's cpuset controller, and allows it these cores ("0-1,4"). */
  setCpuset(dir: string, version: number, cpus: string): void;
  pids(dirs: string[]): number[];
  killAll(dirs: string[], versions: number[]): number;
  /** Removes them; false while something still lives in them. */
  remove(dirs: string[]): boolean;
  addProcess(dirs: string[], pid: number): void;
  /** Mounts the private named hierarchy with favordynmods at `path`, and takes it off again. Throws where the kernel has no such option. */
  favorDynmods(path: string, hierarchy: string): void;
}

export interface NamespaceRequest {
  /** Where the namespace is mounted; must not exist. */
  path: string;
  /** Name of the veth pair's end on the host, a port of the bridge. */
  hostLink: string;
  /** Name of its end in the namespace. */
  link: string;
  /** Of that end. */
  mac: string;
  /** "10.0.0.2/21" */
  address: string;
  /** Of the default route: the bridge's address. */
  gateway: string;
  /** The bridge's. */
  gatewayMac: string;
  /** Isolated ports do not reach each other. */
  isolated: boolean;
}

export interface NetworkLink {
  name: string;
  /** "veth", "bridge", …; "" for hardware. */
  kind: string;
  index: number;
  /** Index of the bridge it is a port of; 0 = none. */
  master: number;
  up: boolean;
  /** As a port of a bridge. */
  isolated: boolean;
  /** IPv4: "10.0.0.1/21". */
  addresses: string[];
}

/** Works on threads of its own; rejects with system errors that name what was tried in `syscall` and the link in `path`. Throws for malformed arguments. */
export interface NativeNetlink {
  /** Up, with this address ("10.0.0.1/21"). */
  createBridge(name: string, mac: string, address: string): Promise<void>;
  /**
   * One outcome each, in order; null = made. Of one that failed nothing is left. The host and each of them know each other's MAC for good: such entries
   * are not among the 1,024 neighbours that the kernel learns for all namespaces together.
   */
  createNamespaces(bridge: string, requests: NamespaceRequest[]): Promise<(NodeJS.ErrnoException | null)[]>;
  /** The same with nothing but loopback, up. */
  createBareNamespaces(paths: string[]): Promise<(NodeJS.ErrnoException | null)[]>;
  /** Who was at these addresses of the bridge. What is gone already is fine. */
  forgetNeighbours(bridge: string, addresses: string[]): Promise<void>;
  /** Links first, all at once, then the mounts. What is gone already is fine. */
  removeNamespaces(paths: string[], hostLinks: string[]): Promise<void>;
  /** Those of this process's namespace whose name begins with `prefix`. */
  links(prefix: string): Promise<NetworkLink[]>;
  /** All at once; resolves with how many there were. */
  deleteLinks(names: string[]): Promise<number>;
}

export interface SandboxSupport {
  userNamespaces: boolean;
  mountNamespaces: boolean;
  pidNamespaces: boolean;
  networkNamespaces: boolean;
  seccomp: boolean;
  newMountApi: boolean;
  cloneIntoCgroup: boolean;
  pidfd: boolean;
}

export interface InheritedSocket {
  family: 'unix' | 'internet' | 'other';
  /** A stream socket that accepts connections. */
  listening: boolean;
  /** Of a unix socket: its path, "@name", or ''. Of an internet one: "127.0.0.1:80". */
  address: string;
}

export interface NativeSystem {
  /** What this process may use, each tried for real in a short-lived child. */
  sandboxSupport(): SandboxSupport;
  /** Raises the soft limit of open files to the hard one; returns it. */
  raiseFileLimit(): number;
  /** Monotonic clock, µs: the same origin in every process of this machine. */
  monotonicUs(): number;
  kill(pid: number, signal: number): boolean;
  /** Makes a named pipe for its owner alone, and returns a descriptor to read it with, which the caller closes. Throws EEXIST where something stands already. */
  openFifo(path: string): number;
  /**
   * One datagram to a service manager at `address`, a path or "@name" of an abstract socket. `fds` go with it and stay open here. Never waits: EAGAIN when
   * its queue is full.
   */
  notify(address: string, state: string, fds: number[]): void;
  /** Of a descriptor that another process opened; it becomes close-on-exec and non-blocking. Throws ENOTSOCK, EBADF. */
  inspectSocket(fd: number): InheritedSocket;
  /** A copy of a descriptor, for an owner that closes what it is given. */
  duplicate(fd: number): number;
  /** Closes a descriptor that the addon returned: `node:fs` warns, in a worker thread, of each that it has not opened. Throws EBADF. */
  close(fd: number): void;
  /** False when another process has locked the file. The lock lasts until every copy of the descriptor is closed. */
  lockFile(fd: number): boolean;
}

/** What a keeper says to its client, called from the event loop. */
export interface KeeperEvents {
  /** The keeper has no room for it: nothing is held under this key. */
  onFull(key: string): void;
  /** The answer to the earliest `list` that has none. Descriptors are close-on-exec and the receiver's to `close`. */
  onListed(items: { key: string; text: string; fds: number[] }[]): void;
  /** The connection is over, and closed: null = the keeper closed it, else the code of a system error. Not called after `close`. */
  onEnd(code: string | null): void;
}

/**
 * A connection to a keeper. Nothing waits: true = given to the kernel, in this order; false = the kernel takes no more now, say it again later. Throws
 * EPIPE and ECONNRESET when the keeper has gone, EBADF for a descriptor that is none, EINVAL over the limits of docs/keeper.md.
 */
export interface NativeKeeperClient {
  /** In the place of what the key had. The descriptors stay the caller's: the keeper has its own, for the same open files. */
  hold(key: string, text: string, fds: readonly number[]): boolean;
  drop(key: string): boolean;
  /** Answered by `onListed`; the event loop stays alive until it is. */
  list(): boolean;
  /** The keeper closes all that it holds, and exits. */
  quit(): boolean;
  close(): void;
}

export interface NativeKeeper {
  /**
   * Starts `program` (iluvatar-keeper) as a daemon that listens at `path`, which is absolute, for its owner alone. Returns when it can be connected to. A file
   * left by a keeper that was killed is replaced; EADDRINUSE where one lives.
   */
  start(path: string, graceMs: number, program: string): void;
  /** Throws ENOENT and ECONNREFUSED where there is no keeper, EAGAIN when it has many callers at once. */
  connect(path: string, events: KeeperEvents): NativeKeeperClient;
  /** Shared memory of `count` bytes, zero at first, 64 MiB at most. The descriptor is the caller's to `close`; the bytes do not need it. */
  marks(count: number): { fd: number; bytes: Uint8Array };
  /** The same bytes, of a descriptor that `marks` made here or in another process. Throws EINVAL for any other. */
  mapMarks(fd: number): Uint8Array;
}

/**
 * Reads a stream of tegrastats' output into records: `words` takes them as numbers (src/telemetry/jetson/tegrastats-records.ts), `text` what is text in them. Both are the caller's, who
 * reads them before the next call and never transfers them.
 */
export interface NativeTegrastatsReader {
  /** Bytes taken, from `from` on: fewer than there are when `words` is full, and then the rest is to be pushed anew. */
  push(chunk: Uint8Array, from: number): number;
  /** The last line, which has no end. */
  end(): void;
  /** Lines that were longer than 4 KiB, and dropped. */
  tooLong(): number;
}

export interface NativeTegrastats {
  /** Throws a TypeError for arrays with less room than the longest line may need: 8,256 words, 4,160 bytes. */
  Reader: new (
    words: Float64Array,
    text: Uint8Array,
  ) => NativeTegrastatsReader;
}

export interface NativeAddon {
  transport: {
    create(options: TransportOptions): NativeTransport;
    /**
     * A unix socket that listens, for `listenOn`: the caller's to close, and its path to remove. A stale file is replaced; EADDRINUSE where somebody listens.
     */
    listenUnix(path: string, mode: number, backlog: number): number;
  };
  cgroup: NativeCgroup;
  netlink: NativeNetlink;
  system: NativeSystem;
  keeper: NativeKeeper;
  tegrastats: NativeTegrastats;
}

const require = createRequire(import.meta.url);

/** What came with the package for this kind of machine (`npm run build:arm64`). It goes first: beside it may lie what was built here for another kind. */
const prebuilt = join(PACKAGE_ROOT, 'prebuilds', `${process.platform}-${process.arch}`);
const isPrebuilt = existsSync(prebuilt);

let loaded: NativeAddon | null = null;

/** Loads the addon once: prebuilds, then build/Release. */
export function native(): NativeAddon {
  if (loaded === null) {
    try {
      loaded = (
        isPrebuilt ? require(join(prebuilt, 'iluvatar.node')) : require('node-gyp-build')(PACKAGE_ROOT)
      ) as NativeAddon;
    } catch (cause) {
      throw new Error(
        `the native addon is not built for this platform: run "npm run build:native" in ${PACKAGE_ROOT}`,
        {
          cause,
        },
      );
    }
  }
  return loaded;
}

/** Where the helper programs of the addon's build are (launcher, keeper, cell library). */
export function nativeFile(name: string): string {
  return join(isPrebuilt ? prebuilt : join(PACKAGE_ROOT, 'build', 'Release'), name);
}
