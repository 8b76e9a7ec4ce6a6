import type { CliPreset } from '../../config/cli.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import type { CliProgram } from './program.ts';

/** The programs that are known. */
export const programs: Readonly<Record<CliPreset, CliProgram>> = { claude, codex };
