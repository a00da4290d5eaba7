import { createFileRegistry, type DescFile, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { SERVICES } from '../../rpc/gen/services.js';

/** What the services that are served look like, as reflection tells it: descriptors that were made from the very files that the codecs come from. */

export interface Descriptors {
  /** A file and those that it needs, encoded, itself first; null = there is none. */
  file(name: string): Uint8Array[] | null;
  /** The same of the file that declares a service, method, message, field, enum or value of one. */
  fileOf(symbol: string): Uint8Array[] | null;
}

let made: Descriptors | null = null;

export function descriptors(): Descriptors {
  made ??= make();
  return made;
}

function make(): Descriptors {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(SERVICES, 'base64')));
  const encoded = (file: DescFile | undefined): Uint8Array[] | null =>
    file === undefined ? null : withNeeded(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  const declaring = (symbol: string): DescFile | undefined => registry.get(symbol)?.file;
  return {
    file: (name) => encoded(registry.getFile(name)),
    // A part of something (a method, a field, a value) lies where the whole does.
    fileOf: (symbol) => encoded(declaring(symbol) ?? memberOf(symbol, declaring)),
  };

  function memberOf(symbol: string, find: (name: string) => DescFile | undefined): DescFile | undefined {
    const at = symbol.lastIndexOf('.');
    const member = symbol.slice(at + 1);
    const owner = at < 0 ? undefined : registry.get(symbol.slice(0, at));
    if (owner === undefined) return undefined;
    const names =
      owner.kind === 'service'
        ? owner.methods.map(({ name }) => name)
        : owner.kind === 'message'
          ? owner.fields.map(({ name }) => name)
          : owner.kind === 'enum'
            ? owner.values.map(({ name }) => name)
            : [];
    return names.includes(member) ? find(symbol.slice(0, at)) : undefined;
  }
}

function withNeeded(file: DescFile): DescFile[] {
  const all = new Set<DescFile>();
  const add = (one: DescFile): void => {
    if (all.has(one)) return;
    all.add(one);
    for (const needed of one.dependencies) add(needed);
  };
  add(file);
  return [...all];
}
