/**
 * What is done with calls whose texts are sensitive: nothing, not even looking; telling so; keeping them to providers of security level high;
 * refusing them.
 */
export const securityModes = ['off', 'report', 'route', 'block'] as const;
export type SecurityMode = (typeof securityModes)[number];
