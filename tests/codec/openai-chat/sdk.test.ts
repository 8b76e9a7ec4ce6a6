import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import { describe, expect, test } from 'vitest';
import { ChatStreamDecoder } from '../../../src/codec/openai-chat/decode-stream.ts';
import { ChatStreamEncoder } from '../../../src/codec/openai-chat/encode-stream.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { type Exchange, recordedChats } from '../../support/chat-recordings.ts';

// Recorded streams, through the decoder and the encoder, as OpenAI's own SDK puts them together.

const streams = recordedChats().filter(({ sse }) => sse);

interface Answer {
  content: string | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

async function asSdk({ response, provider }: Exchange) {
  const decoder = new ChatStreamDecoder({ provider });
  const events: StreamEvent[] = [];
  for (const line of response.text.split(/\r?\n/)) {
    if (line.startsWith('data: ')) decoder.push(line.slice(6), events);
  }
  decoder.end(events);
  const frames = new ChatStreamEncoder({ includeUsage: true }).encode(events).split('\n\n');
  const lines = frames.filter((frame) => frame.startsWith('data: {')).map((frame) => `${frame.slice(6)}\n`);
  const bytes = new TextEncoder().encode(lines.join(''));
  const readable = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  // The SDK knows no reasoning and keeps only its last piece.
  const thinking = lines.map((line) => JSON.parse(line).choices[0]?.delta.reasoning_content ?? '').join('');
  return {
    completion: await ChatCompletionStream.fromReadableStream(readable).finalChatCompletion(),
    thinking,
  };
}

describe.skipIf(streams.length === 0)('the SDK reads', () => {
  test.each(streams.map((exchange) => [exchange.title, exchange] as const))(
    '%s',
    async (_title, exchange) => {
      const { derived, provider } = exchange;
      const { completion, thinking } = await asSdk(exchange);
      const choice = completion.choices[0];
      const answer = choice?.message as unknown as Answer;
      expect(answer.content ?? '').toBe(derived.text ?? '');
      expect(thinking).toBe(derived.thinking ?? '');
      const calls = answer.tool_calls ?? [];
      expect(
        calls.map(({ id, function: { name, arguments: args } }) => ({ id, name, args: JSON.parse(args) })),
      ).toEqual(derived.tool_calls ?? []);
      expect(choice?.finish_reason).toBe(derived.finish);
      const { usage } = derived;
      if (usage === undefined) return expect(completion.usage ?? null).toBeNull();
      expect(completion.usage).toMatchObject({
        prompt_tokens: usage.prompt_tokens,
        // xAI counts reasoning beside the completion.
        completion_tokens:
          provider === 'xai' ? usage.total_tokens - usage.prompt_tokens : usage.completion_tokens,
        total_tokens: usage.total_tokens,
      });
    },
  );
});
