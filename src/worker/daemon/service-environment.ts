/**
 * What a service manager says to a process by its environment: where to send notifications, how often to be heard, and which descriptors are its sockets. It is taken out
 * of the environment: a container's process, or a second worker started by this one, would else speak in its name.
 */

export interface ServiceEnvironment {
  /** `NOTIFY_SOCKET`; null = none. */
  readonly notifyAddress: string | null;
  /** `WATCHDOG_USEC`, where it is meant for this process; ms, 0 = none. */
  readonly watchdogMs: number;
  /** `LISTEN_FDS`, where it is meant for this process: descriptors and their names (`LISTEN_FDNAMES`), in order. */
  readonly descriptors: readonly { readonly fd: number; readonly name: string }[];
  /** Of a process that is started to replace this one: it speaks to the same manager. Descriptors come to it otherwise. */
  readonly forSuccessor: Readonly<Record<string, string>>;
}

type Environment = Record<string, string | undefined>;

/** The first descriptor after standard input, output and error: so it is agreed (SD_LISTEN_FDS_START). */
const FIRST_DESCRIPTOR = 3;
const NAMES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'];

/** Changes `environment`. What is malformed counts as absent: the manager's mistakes are not the worker's to die of. */
export function takeServiceEnvironment(environment: Environment, pid: number): ServiceEnvironment {
  const given: Environment = {};
  for (const name of NAMES) {
    given[name] = environment[name];
    delete environment[name];
  }
  const watchdogIsOurs = given.WATCHDOG_PID === undefined || given.WATCHDOG_PID === `${pid}`;
  const count = given.LISTEN_PID === `${pid}` ? whole(given.LISTEN_FDS) : 0;
  const names = given.LISTEN_FDNAMES?.split(':') ?? [];
  const notifyAddress = given.NOTIFY_SOCKET || null;
  const watchdogUs = watchdogIsOurs ? whole(given.WATCHDOG_USEC) : 0;
  return {
    notifyAddress,
    watchdogMs: watchdogUs / 1000,
    descriptors: Array.from({ length: count }, (_, i) => ({ fd: FIRST_DESCRIPTOR + i, name: names[i] || 'unknown' })),
    forSuccessor: {
      ...(notifyAddress === null ? {} : { NOTIFY_SOCKET: notifyAddress }),
      ...(watchdogUs === 0 ? {} : { WATCHDOG_USEC: `${watchdogUs}` }),
    },
  };
}

function whole(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
