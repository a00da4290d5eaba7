/** One thing that doctor looked at. */
export interface Finding {
  /** Heading it is listed under. */
  readonly group: string;
  readonly name: string;
  /** `missing` of something `required` means: no worker runs here. */
  readonly state: 'ok' | 'warn' | 'missing';
  readonly required: boolean;
  /** What is there. */
  readonly found: string;
  /** What it is good for. */
  readonly gives: string;
  /** What to do about it; '' when nothing needs doing. */
  readonly advice: string;
}

export interface Verdict {
  state: Finding['state'];
  found: string;
  advice?: string;
  required?: boolean;
}

export function finding(group: string, name: string, gives: string, verdict: Verdict): Finding {
  const { state, found, advice = '', required = false } = verdict;
  return { group, name, state, required, found, gives, advice };
}
