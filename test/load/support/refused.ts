import { exitCodeOf } from '../../../src/cli/exit-codes.js';
import { buildProgram } from '../../../src/cli/program.js';

/** Exit code and message of a command line that must be refused; in this process, since starting one for each takes longer than the test. */
export async function refused(argv: readonly string[]): Promise<{ code: number; message: string }> {
  try {
    await buildProgram().parseAsync([...argv], { from: 'user' });
  } catch (error) {
    return { code: exitCodeOf(error), message: (error as Error).message };
  }
  throw new Error(`it was accepted: ${argv.join(' ')}`);
}
