import { IluvatarError } from '../../../core/errors.js';
import type { RegisterRequest, RegisterResponse } from '../../../rpc/gen/iluvatar_rpc.js';
import { mayNamePaths, refusePaths } from '../../host-paths.js';
import { control, type MethodContext, tidOf } from './context.js';
import { fqdnOf } from './function-names.js';
import { type Definition, definitionOf } from './registration.js';

/** `register`: an image in the original's words, or a whole definition in ours. A registration that fails is no failed call. */
export async function register(context: MethodContext, request: RegisterRequest): Promise<RegisterResponse> {
  try {
    const { definition, archive } = registrationOf(context, request);
    if (!mayNamePaths(context.config.grpc.address)) {
      refusePaths(archive === null ? definition : { ...definition, source: null });
    }
    const params = { definition, replace: request.replace, ...tidOf(request.transactionId) };
    const { name, version } = (await control(context, 'register', params, archive)) as FunctionNamed;
    return { success: true, fqdn: fqdnOf(name, version, context.gateway), error: '', errorClass: '' };
  } catch (error) {
    if (!(error instanceof IluvatarError)) throw error;
    return { success: false, fqdn: '', error: error.message, errorClass: error.errorClass };
  }
}

interface FunctionNamed {
  readonly name: string;
  readonly version: string;
}

/** The schema wants a source; with an archive the worker puts the unpacked folder here. */
const UPLOADED = 'upload';

/** Throws `invalid` or `conflict` for what cannot be registered. */
function registrationOf(
  { gateway, facts }: MethodContext,
  request: RegisterRequest,
): { definition: Definition; archive: Buffer | null } {
  const { functionName, functionVersion, definitionJson, archive, replace } = request;
  if (definitionJson === '') {
    if (archive.length > 0) throw new IluvatarError('invalid', 'an archive needs its definition in definition_json');
    const taken = (name: string, version: string): boolean => !replace && gateway.resolve(name, version) !== 0;
    const definition = definitionOf(request, facts(), taken);
    if (typeof definition === 'string') {
      const conflict = definition.endsWith('is already registered!');
      throw new IluvatarError(conflict ? 'conflict' : 'invalid', definition);
    }
    return { definition, archive: null };
  }
  const definition = {
    ...parsed(definitionJson),
    ...named('name', functionName),
    ...named('version', functionVersion),
  };
  if (archive.length === 0) return { definition, archive: null };
  return { definition: { ...definition, source: UPLOADED }, archive: Buffer.from(archive) };
}

/** The fields of the request are the truth where they are given; else the definition is. */
function named(key: 'name' | 'version', value: string): Definition {
  return value === '' ? {} : { [key]: value };
}

function parsed(json: string): Definition {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new IluvatarError('invalid', `definition_json is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new IluvatarError('invalid', 'definition_json must be a JSON object');
  }
  return value as Definition;
}
