import {
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { IluvatarError } from '../../core/errors.js';
import { ContainersClient } from '../../rpc/gen/containers.js';
import { ContentClient } from '../../rpc/gen/content.js';
import { DiffClient } from '../../rpc/gen/diff.js';
import { EventsClient } from '../../rpc/gen/events.js';
import { ImagesClient } from '../../rpc/gen/images.js';
import { LeasesClient } from '../../rpc/gen/leases.js';
import { NamespacesClient } from '../../rpc/gen/namespaces.js';
import { SnapshotsClient } from '../../rpc/gen/snapshots.js';
import { TasksClient } from '../../rpc/gen/tasks.js';
import type { Envelope } from '../../rpc/gen/types.js';
import { VersionClient } from '../../rpc/gen/version.js';

/**
 * containerd's services over its socket, in one namespace. Calls are unary and carry a deadline; what they fail with tells a daemon that is
 * away (transient) from one that refuses.
 */

export interface ClientOptions {
  /** Path of the socket. */
  readonly address: string;
  readonly namespace: string;
}

/** A create under a loaded daemon takes its time; one that takes longer than this will not end. */
const DEADLINE_MS = 60_000;
const LARGEST_MESSAGE = 16 * 1024 * 1024;

/** What ttrpc says, to a daemon that passes it on as an error of unknown kind. */
const SHIM_LOST = /ttrpc: closed|ttrpc: server closed/;

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** A failed call. `code` is gRPC's. */
export class ContainerdError extends Error {
  override readonly name = 'ContainerdError';
  readonly code: number;
  constructor(call: string, { code, details }: Pick<ServiceError, 'code' | 'details'>) {
    super(`containerd: ${call}: ${details}`);
    this.code = code;
  }

  get notFound(): boolean {
    return this.code === status.NOT_FOUND;
  }

  get alreadyExists(): boolean {
    return this.code === status.ALREADY_EXISTS;
  }

  /** There was no answer: the daemon is away or stands still. */
  get unavailable(): boolean {
    return this.code === status.UNAVAILABLE || this.code === status.DEADLINE_EXCEEDED;
  }

  /** The daemon is away or too busy, or lost the shim of this container: the same call may succeed later. */
  get transient(): boolean {
    const busy = this.code === status.ABORTED || this.code === status.RESOURCE_EXHAUSTED;
    return this.unavailable || busy || SHIM_LOST.test(this.message);
  }
}

export class ContainerdClient {
  readonly tasks: TasksClient;
  readonly containers: ContainersClient;
  readonly snapshots: SnapshotsClient;
  readonly leases: LeasesClient;
  readonly images: ImagesClient;
  readonly content: ContentClient;
  readonly diff: DiffClient;
  readonly namespaces: NamespacesClient;
  readonly version: VersionClient;
  readonly events: EventsClient;
  readonly namespace: string;
  readonly address: string;
  readonly #metadata: Metadata;

  constructor({ address, namespace }: ClientOptions) {
    const target = `unix:${address}`;
    const insecure = credentials.createInsecure();
    const options = {
      'grpc.max_receive_message_length': LARGEST_MESSAGE,
      // A daemon that restarts is back within moments: the default waits up to two minutes between attempts.
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.min_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 1_000,
    };
    this.address = address;
    this.namespace = namespace;
    this.#metadata = new Metadata();
    this.#metadata.set('containerd-namespace', namespace);
    this.tasks = new TasksClient(target, insecure, options);
    // One connection for all of them.
    const shared = { ...options, channelOverride: this.tasks.getChannel() };
    this.containers = new ContainersClient(target, insecure, shared);
    this.snapshots = new SnapshotsClient(target, insecure, shared);
    this.leases = new LeasesClient(target, insecure, shared);
    this.images = new ImagesClient(target, insecure, shared);
    this.content = new ContentClient(target, insecure, shared);
    this.diff = new DiffClient(target, insecure, shared);
    this.namespaces = new NamespacesClient(target, insecure, shared);
    this.version = new VersionClient(target, insecure, shared);
    this.events = new EventsClient(target, insecure, shared);
  }

  /** With `lease`, what the call makes belongs to that lease until it is deleted. Rejects with ContainerdError. */
  call<Request, Response>(
    name: string,
    method: Unary<Request, Response>,
    service: object,
    request: Request,
    { lease = null, deadlineMs = DEADLINE_MS }: { lease?: string | null; deadlineMs?: number } = {},
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      method.call(service, request, this.metadata(lease), { deadline: Date.now() + deadlineMs }, (error, response) => {
        if (error === null) resolve(response);
        else reject(new ContainerdError(name, error));
      });
    });
  }

  metadata(lease: string | null = null): Metadata {
    if (lease === null) return this.#metadata;
    const metadata = this.#metadata.clone();
    metadata.set('containerd-lease', lease);
    return metadata;
  }

  subscribe(filters: string[]): ClientReadableStream<Envelope> {
    return this.events.subscribe({ filters }, this.#metadata);
  }

  /** Its version. Rejects with `unavailable` and the reason. */
  async reach(deadlineMs: number): Promise<string> {
    try {
      const { version } = await this.call('Version', this.version.version, this.version, {}, { deadlineMs });
      return version;
    } catch (error) {
      throw new IluvatarError(
        'unavailable',
        `containerd at ${this.address} cannot be reached: ${(error as Error).message}`,
      );
    }
  }

  /** Everything is under a namespace, which must exist before the first thing in it. */
  async ensureNamespace(): Promise<void> {
    const { namespace: name, namespaces } = this;
    await this.call('Namespaces.Create', namespaces.create, namespaces, { namespace: { name, labels: {} } }).catch(
      ignore((error) => error.alreadyExists),
    );
  }

  close(): void {
    this.tasks.close();
  }
}

/** For `catch`: passes over the errors for which `expected` holds. */
export function ignore(expected: (error: ContainerdError) => boolean): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ContainerdError && expected(error))) throw error;
  };
}
