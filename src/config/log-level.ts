import { oneOf } from './values.ts';

export const logLevels = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof logLevels)[number];
export const logLevel = oneOf(logLevels, { warning: 'WARN' });
export const environments = ['development', 'staging', 'production'] as const;
