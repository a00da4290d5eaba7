/**
 * Places at which a test may have the process killed, to see what the next one makes of it. `ILUVATAR_FAILPOINT=<name>` names one, `<name>:3` its third passing; without
 * the variable a failpoint is one comparison.
 */
export const FAILPOINTS = [
  'store.made',
  'store.checked',
  'store.open',
  'store.commit.before',
  'store.commit.after',
  'store.closed',
  'register.intended',
  'register.kept',
  'register.replaced',
  'unregister.intended',
  'unregister.forgotten',
  'restore.before',
  'restore.after',
  'recovery.listed',
  'recovery.swept',
  'recovery.adopting',
  'recovery.adopted',
  'container.create',
  'container.created',
  'container.destroyed',
  'container.keep',
  'container.kept',
  'characteristics.written',
  // Asynchronous invocations: before and after what is promised is on the disk.
  'async.accepting',
  'async.accepted',
  'async.run',
  'async.ending',
  'async.ended',
  // What the backend `process` makes and removes.
  'process.cgroup',
  'process.spawn',
  'process.spawned',
  'process.assigned',
  'process.ending',
  'process.ended',
  // What a network is made of.
  'network.bridge',
  'network.make',
  'network.made',
  'network.removing',
  'network.removed',
] as const;

/** Passed only with a container engine. */
export const ENGINE_FAILPOINTS = [
  'engine.snapshot',
  'engine.create',
  'engine.run',
  'engine.running',
  'engine.remove',
  'engine.removed',
] as const;

/** Passed only in an upgrade. */
export const UPGRADE_FAILPOINTS = ['upgrade.quiet', 'upgrade.left'] as const;

export type Failpoint =
  | (typeof FAILPOINTS)[number]
  | (typeof ENGINE_FAILPOINTS)[number]
  | (typeof UPGRADE_FAILPOINTS)[number];

const [armed = null, count = '1'] = process.env['ILUVATAR_FAILPOINT']?.split(':') ?? [];
let left = Number(count);

/** SIGKILL, if this is the one: nothing after it happens. */
export function failpoint(name: Failpoint): void {
  if (armed !== name || --left > 0) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal needs a moment to reach every thread; this one must do nothing more.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
