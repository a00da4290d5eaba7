// Lets a thread started from TypeScript source load TypeScript too. `--import tsx` does not reach threads of threads; this does.
import { register } from 'tsx/esm/api';

register();
