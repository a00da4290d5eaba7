import { type CheckRequest, type CheckResult, checkAndCopy, codeOf } from './check.js';

/** The process in which a doubtful file is read: its request is the first argument, its answer one line on standard output, both JSON. */

async function answer(): Promise<CheckResult> {
  try {
    return await checkAndCopy(JSON.parse(process.argv[2] as string) as CheckRequest);
  } catch (error) {
    return { error: codeOf(error), message: (error as Error).message };
  }
}

process.stdout.write(`${JSON.stringify(await answer())}\n`);
