import { runCommandLine } from './program.js';

/** The entry point behind `bin/iluvatar.js`. */
process.exitCode = await runCommandLine(process.argv.slice(2));
