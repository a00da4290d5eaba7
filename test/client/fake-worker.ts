import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode, IluvatarError } from '../../src/core/errors.js';
import type { Frame } from '../../src/transport/frame.js';
import { FrameType } from '../../src/transport/frames.js';
import { type Connection, Transport } from '../../src/transport/transport.js';

/**
 * The worker's side of the protocol and nothing behind it: answers a CALL with what a test says, and an INVOKE by the function's name. It stands where a worker
 * would need root, cgroups and interpreters, in tests of what speaks *to* a worker.
 */
export interface Call {
  method: string;
  params: Record<string, unknown>;
  body: Buffer;
  progress(line: string): void;
}

export interface Invocation {
  meta: { function?: string; version?: string; tid?: string };
  handle: number;
  timeoutMs: number;
  body: string;
}

export interface FakeWorker {
  readonly socket: string;
  readonly calls: Call[];
  readonly invocations: Invocation[];
  /** Request ids of CANCEL frames. */
  readonly cancelled: number[];
  /** Answers the held invocations, the last one first. */
  release(): void;
  /** Ends all connections. */
  hangUp(): void;
  stop(): void;
}

export type Answer = (call: Call) => unknown;

/** Functions: `echo` (arguments back), `fail-<class>`, `hold` (answered by `release`), anything else is not_found. */
export function startFakeWorker(answer: Answer = () => null, maxBodyBytes = 64 * 1024 * 1024): FakeWorker {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-client-test-'));
  const socket = join(folder, 'w.sock');
  const hello = JSON.stringify({ role: 'worker', name: 'fake' });
  const transport = new Transport({ maxBodyBytes, spinUs: 0, highWaterBytes: 1024 * 1024, hello });
  const calls: Call[] = [];
  const invocations: Invocation[] = [];
  const cancelled: number[] = [];
  const held: (() => void)[] = [];
  const open = new Set<Connection>();

  const onCall = async (connection: Connection, frame: Frame): Promise<void> => {
    const { requestId } = frame;
    const progress = (line: string): void => {
      connection.send(FrameType.event, 0, 0, requestId, 0, 0, 0, JSON.stringify({ event: 'progress', line }), null);
    };
    const call: Call = { ...JSON.parse(frame.meta()), body: Buffer.from(frame.body()), progress };
    calls.push(call);
    try {
      const result = await answer(call);
      connection.send(FrameType.reply, 0, 0, requestId, 0, 0, 0, null, JSON.stringify(result ?? null));
    } catch (error) {
      const { errorClass, message, details } = error as IluvatarError;
      const meta = JSON.stringify({ message, ...details });
      connection.send(FrameType.reply, errorCode(errorClass), 0, requestId, 0, 0, 0, meta, null);
    }
  };

  const onInvoke = (connection: Connection, frame: Frame): void => {
    const { requestId } = frame;
    const meta = frame.metaBytes === 0 ? {} : JSON.parse(frame.meta());
    const body = frame.body().toString('utf8');
    invocations.push({ meta, handle: frame.x1, timeoutMs: frame.x0, body });
    const name = meta.function ?? 'echo';
    const reply = (): void => {
      const said = JSON.stringify({ stdout: 'printed\n', tid: meta.tid ?? 'fake-tid', throttledUs: 67 });
      connection.send(FrameType.result, 0, 3, requestId, 12, 0, 345, said, body);
    };
    if (name === 'echo') {
      reply();
    } else if (name === 'hold') {
      held.push(reply);
    } else if (name.startsWith('fail-')) {
      const details = { message: `failed as ${name}`, traceback: 'line 1\nline 2', retryAfterMs: 7 };
      const status = errorCode(name.slice('fail-'.length) as IluvatarError['errorClass']);
      connection.send(FrameType.result, status, 0, requestId, 0, 0, 0, JSON.stringify(details), null);
    } else {
      const details = JSON.stringify({ message: `no function ${name}` });
      connection.send(FrameType.result, errorCode('not_found'), 0, requestId, 0, 0, 0, details, null);
    }
  };

  const stopListening = transport.listen(socket, 0o600, (connection) => {
    open.add(connection);
    return {
      frame(_connection, frame) {
        if (frame.type === FrameType.call) void onCall(connection, frame);
        else if (frame.type === FrameType.invoke) onInvoke(connection, frame);
        else if (frame.type === FrameType.cancel) cancelled.push(frame.requestId);
      },
      closed() {
        open.delete(connection);
      },
    };
  });

  const hangUp = (): void => {
    for (const connection of open) connection.close();
    open.clear();
  };
  return {
    socket,
    calls,
    invocations,
    cancelled,
    release: () => {
      for (const reply of held.splice(0).reverse()) reply();
    },
    hangUp,
    stop: () => {
      hangUp();
      stopListening();
      transport.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function refuse(errorClass: IluvatarError['errorClass'], message: string): never {
  throw new IluvatarError(errorClass, message);
}
