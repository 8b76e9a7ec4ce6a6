import { hash } from 'node:crypto';
import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Tool } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { CacheBreakpoint, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import type { ClaudeModel } from '../claude-model.ts';
import { EncodeWarnings } from '../encode-warnings.ts';
import { quote } from '../json.ts';
import { dialectName } from './dialect.ts';

/** Most cache breakpoints that Anthropic takes. */
const maxBreakpoints = 4;

/** What Anthropic takes as the id of a call. */
const idForm = /^[\w-]+$/;

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  readonly model: ClaudeModel;
  /** Breakpoints that are one too many: the first ones, because the last ones cover most. */
  #tooMany: number;

  constructor(request: CreateChatCompletionRequest, model: ClaudeModel) {
    super(dialectName, request.options?.dropParams);
    this.model = model;
    this.#tooMany = Math.max(0, countBreakpoints(request) - maxBreakpoints);
  }

  /** `,` and the cache marker, or nothing. To be asked in the order of the prompt: tools, instructions, messages. */
  marker(breakpoint: CacheBreakpoint | undefined, at: string): string {
    if (breakpoint === undefined) return '';
    if (this.#tooMany > 0) {
      this.#tooMany--;
      this.warn(
        'dropped_cache_breakpoint',
        at,
        `Anthropic takes ${maxBreakpoints} cache breakpoints, the last ones are sent`,
      );
      return '';
    }
    const { ttl } = breakpoint;
    if (ttl === '5m' || ttl === '1h') return `,"cache_control":{"type":"ephemeral","ttl":${quote(ttl)}}`;
    if (ttl !== '') this.warn('changed_cache_ttl', at, 'Anthropic keeps prefixes for 5m or 1h; 5m is taken');
    return ',"cache_control":{"type":"ephemeral"}';
  }

  /** The id of a call as Anthropic takes it: others' ids may have characters that it refuses. The same in gives the same out. */
  callId(id: string): string {
    return idForm.test(id) ? id : `${id.replace(/[^\w-]/g, '_')}_${hash('sha1', id).slice(0, 8)}`;
  }
}

function countBreakpoints({ tools, messages }: CreateChatCompletionRequest): number {
  let count = 0;
  for (const tool of tools) if (isMarkedTool(tool)) count++;
  for (const { parts } of messages) count += countMarked(parts);
  return count;
}

const isMarkedTool = ({ kind, cacheBreakpoint }: Tool): boolean =>
  kind.case === 'hosted' ? isMarked(kind.value.json) : cacheBreakpoint !== undefined;

/** A block of this dialect has its marker within, and keeps it. */
const isMarked = (json: string): boolean => json.includes('"cache_control":{');

function countMarked(parts: readonly Part[]): number {
  let count = 0;
  for (const { content, cacheBreakpoint } of parts) {
    if (content.case === 'opaque' && (content.value.dialect === dialectName || content.value.text === '')) {
      if (content.value.dialect === dialectName && isMarked(content.value.json)) count++;
    } else if (content.case !== 'reasoning' && cacheBreakpoint !== undefined) count++;
    if (content.case === 'toolResult') count += countMarked(content.value.parts);
  }
  return count;
}
