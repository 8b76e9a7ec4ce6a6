import type { Usage } from '../../../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../../../gen/llmgateway/v1/message_pb.js';
import type { MessagesExchange } from '../../../support/messages-recordings.ts';

/** An answer reduced to what a recording tells of it. */
export interface Seen {
  text: string;
  thinking: string;
  toolCalls: { id: string; name: string; args: unknown }[];
  finish: string;
  usage: {
    prompt: number;
    completion: number;
    total: number;
    cached: number;
    written: number;
    reasoning: number;
  } | null;
}

export function seenOf(parts: readonly Part[], finish: string, usage: Usage | undefined): Seen {
  const seen: Seen = { text: '', thinking: '', toolCalls: [], finish, usage: null };
  for (const { content } of parts) {
    if (content.case === 'text') seen.text += content.value.text;
    if (content.case === 'reasoning') seen.thinking += content.value.text;
    if (content.case === 'toolCall') {
      const { id, name, arguments: args } = content.value;
      seen.toolCalls.push({ id, name, args: JSON.parse(args) });
    }
  }
  if (usage !== undefined) {
    seen.usage = {
      prompt: usage.promptTokens,
      completion: usage.completionTokens,
      total: usage.totalTokens,
      cached: usage.cachedTokens ?? 0,
      written: usage.cacheWriteTokens ?? 0,
      reasoning: usage.reasoningTokens ?? 0,
    };
  }
  return seen;
}

/** What whoever recorded an exchange read in it. */
export function expectedOf({ derived }: MessagesExchange): Seen {
  const { usage } = derived;
  const count = (key: string): number => (usage?.[key] as number | undefined) ?? 0;
  const cached = count('cache_read_input_tokens');
  const written = count('cache_creation_input_tokens');
  const prompt = count('input_tokens') + cached + written;
  const completion = count('output_tokens');
  const details = usage?.['output_tokens_details'] as { thinking_tokens?: number } | undefined;
  return {
    text: derived.text ?? '',
    thinking: derived.thinking ?? '',
    toolCalls: (derived.tool_calls ?? []).map(({ id, name, args }) => ({ id, name, args })),
    finish: derived.finish ?? '',
    usage:
      usage === undefined
        ? null
        : {
            prompt,
            completion,
            total: prompt + completion,
            cached,
            written,
            reasoning: details?.thinking_tokens ?? 0,
          },
  };
}
