import { readFileSync } from 'node:fs';

/** `<pid> <start time>`: tells processes of one pid apart, which may be another's by now, and in a container of its own a worker's is the same each time. `<pid> ended` = there is none. */
export function processIdentity(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may hold anything: state is field 3, the start time field 22.
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return `${pid} ended`;
  }
}

/** The process of an identity; 0 = it has ended, and whoever has its pid now is another. */
export function livePid(identity: string): number {
  const pid = Number.parseInt(identity, 10);
  return processIdentity(pid) === identity && !identity.endsWith(' ended') ? pid : 0;
}
