import { ServerReflectionRequest, ServerReflectionResponse } from '../../rpc/gen/grpc/reflection/v1/reflection.js';
import type { Descriptors } from './descriptors.js';
import type { GrpcCall } from './grpc-call.js';
import { frameOf } from './message-reader.js';
import type { GrpcMethods, StreamHandler } from './method.js';
import { decoded } from './methods/codec.js';
import { GrpcCode } from './status.js';

/** gRPC's standard reflection, in both of its versions (their messages are the same): clients such as grpcurl learn from it what is served. */

export const REFLECTION_SERVICES = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];

/** A request is a name. */
const MAX_REQUEST = 16 * 1024;

/** `services`: full names of what is served. */
export function reflectionService(services: readonly string[]): GrpcMethods {
  return new Map(
    REFLECTION_SERVICES.map((name) => [
      `/${name}/ServerReflectionInfo`,
      {
        kind: 'streaming' as const,
        maxMessageBytes: MAX_REQUEST,
        open: (call: GrpcCall) => new Reflection(call, services),
      },
    ]),
  );
}

type Answer = Partial<Omit<ServerReflectionResponse, 'validHost' | 'originalRequest'>>;

class Reflection implements StreamHandler {
  readonly #call: GrpcCall;
  readonly #services: readonly string[];
  /** Answers come in the order of the requests. */
  #last: Promise<void> = Promise.resolve();

  constructor(call: GrpcCall, services: readonly string[]) {
    this.#call = call;
    this.#services = services;
  }

  message(message: Buffer): void {
    const request = decoded(ServerReflectionRequest.decode, message);
    this.#then(async () => this.#call.send(frameOf(encoded(request, answerTo(request, this.#services, await load())))));
  }

  ended(): void {
    this.#then(async () => this.#call.end());
  }

  #then(step: () => Promise<unknown>): void {
    this.#last = this.#last.then(step).then(
      () => {},
      (error) => this.#call.fail(error),
    );
  }
}

/** Loaded when somebody asks: no worker needs it to run functions. */
async function load(): Promise<Descriptors> {
  return (await import('./descriptors.js')).descriptors();
}

function encoded(originalRequest: ServerReflectionRequest, answer: Answer): Uint8Array {
  const empty = {
    fileDescriptorResponse: undefined,
    allExtensionNumbersResponse: undefined,
    listServicesResponse: undefined,
    errorResponse: undefined,
  };
  const response = { validHost: originalRequest.host, originalRequest, ...empty, ...answer };
  return ServerReflectionResponse.encode(response).finish();
}

function answerTo(request: ServerReflectionRequest, services: readonly string[], descriptors: Descriptors): Answer {
  const { fileByFilename, fileContainingSymbol, fileContainingExtension, allExtensionNumbersOfType } = request;
  if (request.listServices !== undefined) {
    return { listServicesResponse: { service: services.map((name) => ({ name })) } };
  }
  if (fileByFilename !== undefined) return filesOf(descriptors.file(fileByFilename), `no file "${fileByFilename}"`);
  if (fileContainingSymbol !== undefined) {
    return filesOf(descriptors.fileOf(fileContainingSymbol), `no symbol "${fileContainingSymbol}"`);
  }
  if (fileContainingExtension !== undefined) {
    const { containingType, extensionNumber } = fileContainingExtension;
    return failed(GrpcCode.notFound, `no extension ${extensionNumber} of "${containingType}"`);
  }
  if (allExtensionNumbersOfType !== undefined) {
    if (descriptors.fileOf(allExtensionNumbersOfType) === null) {
      return failed(GrpcCode.notFound, `no type "${allExtensionNumbersOfType}"`);
    }
    // proto3 has none outside of options.
    return { allExtensionNumbersResponse: { baseTypeName: allExtensionNumbersOfType, extensionNumber: [] } };
  }
  return failed(GrpcCode.invalidArgument, 'the request asks for nothing');
}

function filesOf(files: Uint8Array[] | null, missing: string): Answer {
  if (files === null) return failed(GrpcCode.notFound, `there is ${missing}`);
  return { fileDescriptorResponse: { fileDescriptorProto: files.map((file) => Buffer.from(file)) } };
}

function failed(errorCode: number, errorMessage: string): Answer {
  return { errorResponse: { errorCode, errorMessage } };
}
