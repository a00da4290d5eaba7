import { join } from 'node:path';

export interface ScalingFlags {
  target?: string[];
  clients?: string;
  start: number;
  end?: number;
  duration: number;
  warmUp: number;
  think: number;
  thinking: string;
  shared?: boolean;
  prewarm: boolean;
  upload?: boolean;
  image?: string;
  server: string;
  backend?: string[];
  memory: number;
  args?: string;
  functionArgs?: string;
  processes: number;
  maxErrorRate: number;
  lostAfter: number;
  seed?: number;
  out?: string;
  originalOutput?: boolean;
}

/** The folder of one of several targets, by its address. */
export function folderOf(out: string, target: string, targets: readonly string[]): string {
  if (targets.length === 1) return out;
  const plain = target.replace(/[^A-Za-z0-9.]+/g, '-').replace(/^-|-$/g, '');
  const same = targets.filter((other) => other === target).length > 1 ? `-${targets.indexOf(target) + 1}` : '';
  return join(out, `${plain}${same}`);
}
