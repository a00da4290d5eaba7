import { relative } from 'node:path';

/**
 * Reads vitest's JSON report and the record of skipped suites. `report` is null when vitest wrote none.
 * @returns {{ lines: string[], passed: number, failed: number, skipped: number }} sentences for people, then the counts
 */
export function summarise(report, skips, root) {
  if (report === null) return { lines: ['vitest wrote no report'], passed: 0, failed: 1, skipped: 0 };
  const lines = [];
  let brokenFiles = 0;
  let unexplained = 0;
  for (const file of report.testResults) {
    const name = relative(root, file.name);
    const broken = file.assertionResults.filter((test) => test.status === 'failed');
    for (const test of broken) lines.push(`FAIL ${name}: ${test.fullName}`);
    // A file that does not load has no failed test, and would count as nothing.
    if (file.status === 'failed' && broken.length === 0) {
      brokenFiles++;
      lines.push(`FAIL ${name}: ${(file.message ?? '').split('\n')[0] || 'the file could not be run'}`);
    }
    for (const test of file.assertionResults) {
      const ran = test.status === 'passed' || test.status === 'failed';
      if (ran || test.fullName.includes('(skipped: ')) continue;
      unexplained++;
      lines.push(`skipped without a reason: ${name}: ${test.fullName}`);
    }
  }
  for (const { suite, reason } of skips) lines.push(`skipped: ${suite}: ${reason}`);
  return {
    lines,
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles,
    skipped: skips.length + unexplained,
  };
}
