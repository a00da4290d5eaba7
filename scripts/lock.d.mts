/** What tests need of `lock.mjs`. */
export function lock(name: string, options: { limitMs: number; waiting?: () => void }): Promise<(() => void) | null>;
