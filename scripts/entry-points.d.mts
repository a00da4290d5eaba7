export const ENTRY_POINTS: readonly (readonly string[])[];
