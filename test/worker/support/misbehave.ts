/** Faults of a thread, by name; nothing for any other name. What is left unhandled is the fault. */
export function misbehave(fault: string | undefined): void {
  switch (fault) {
    case 'throw':
      throw new Error('thrown on the shard');
    case 'reject':
      void Promise.reject(new Error('rejected on the shard'));
      return;
    case 'exit':
      process.exit(9);
      return;
    case 'hang':
      for (;;) {}
    default:
      return;
  }
}
