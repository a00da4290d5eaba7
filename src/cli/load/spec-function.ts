import { type SpecFunction, specFunctionSchema } from '../../load/generate/spec.js';
import { UsageError } from '../exit-codes.js';
import { parseExactDuration, parseInteger, parseMemory, parsePair } from '../parse.js';

/** Parts of `--function`: what they are called in a spec, and how they are read. */
const PARTS: Readonly<Record<string, readonly [keyof SpecFunction, (text: string) => unknown]>> = {
  name: ['name', String],
  iat: ['iatMs', parseExactDuration],
  warm: ['warmMs', parseExactDuration],
  cold: ['coldMs', parseExactDuration],
  memory: ['memoryMb', parseMemory],
  arrivals: ['arrivals', String],
  on: ['onMs', parseExactDuration],
  off: ['offMs', parseExactDuration],
  prewarms: ['prewarms', parseInteger],
  devices: ['devices', (text) => text.split('|')],
};

/** `name=api,iat=20ms,warm=15ms` */
export function parseSpecFunction(text: string): SpecFunction {
  const fields = text.split(',').map((pair) => {
    const [part, value] = parsePair(pair);
    const known = PARTS[part];
    if (known === undefined) {
      throw new UsageError(`--function ${text}: "${part}" is none of ${Object.keys(PARTS).join(', ')}`);
    }
    return [known[0], known[1](value)] as const;
  });
  const checked = specFunctionSchema.safeParse(Object.fromEntries(fields));
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const part = Object.entries(PARTS).find(([, [field]]) => field === issue?.path[0])?.[0] ?? '';
  throw new UsageError(`--function ${text}: ${part}: ${issue?.message}`);
}
