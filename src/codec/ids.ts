import { hash, randomUUID } from 'node:crypto';

/** The id of a completion; a new one for a provider that gives none, because clients tell streams apart by it. */
export const completionId = (given: unknown): string =>
  typeof given === 'string' && given !== '' ? given : `chatcmpl-${randomUUID().replaceAll('-', '')}`;

/**
 * An id for a tool call without one: always the same for the same call, unlike those of other answers in the conversation, and
 * short enough for all (OpenAI takes 40 characters).
 */
export const callId = (completion: string, choice: number, call: number): string =>
  `call_${hash('sha1', `${completion}/${choice}/${call}`).slice(0, 24)}`;
