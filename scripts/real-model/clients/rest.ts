// REST: OpenAI's own SDK against the facade.
import OpenAI from 'openai';
import type { ChatCompletionCreateParamsNonStreaming } from 'openai/resources/chat/completions';
import type { Answer, ChatCall, ChatClient } from '../conversation.ts';

export function restClients(url: string): ChatClient[] {
  const sdk = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, timeout: 60_000 });
  return [
    { name: 'REST, openai SDK, unary', streamed: false, ask: (call) => askUnary(sdk, call) },
    { name: 'REST, openai SDK, SSE', streamed: true, ask: (call) => askStreamed(sdk, call) },
  ];
}

async function askUnary(sdk: OpenAI, call: ChatCall): Promise<Answer> {
  const completion = await sdk.chat.completions.create(parameters(call));
  const choice = completion.choices[0]!;
  return {
    text: choice.message.content ?? '',
    finishReason: choice.finish_reason,
    promptTokens: completion.usage?.prompt_tokens ?? -1,
    completionTokens: completion.usage?.completion_tokens ?? -1,
    pieces: 1,
  };
}

async function askStreamed(sdk: OpenAI, call: ChatCall): Promise<Answer> {
  const answer = { text: '', finishReason: '', promptTokens: -1, completionTokens: -1, pieces: 0 };
  const stream = await sdk.chat.completions.create({
    ...parameters(call),
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    const choice = chunk.choices[0];
    if (choice?.delta.content) {
      answer.text += choice.delta.content;
      answer.pieces++;
    }
    if (choice?.finish_reason) answer.finishReason = choice.finish_reason;
    if (chunk.usage) {
      answer.promptTokens = chunk.usage.prompt_tokens;
      answer.completionTokens = chunk.usage.completion_tokens;
    }
  }
  return answer;
}

function parameters(call: ChatCall): ChatCompletionCreateParamsNonStreaming {
  return {
    model: call.model,
    messages: call.turns.map(({ role, text }) => ({ role, content: text })),
    max_completion_tokens: call.maxTokens,
    temperature: 0,
    seed: call.seed,
  };
}
