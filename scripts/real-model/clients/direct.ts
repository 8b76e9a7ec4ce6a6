// Asks llama-server without the gateway between: what it says is what every client has to get.
import type { Answer, ChatCall, ChatClient } from '../conversation.ts';
import type { Service } from '../processes.ts';

interface Completion {
  readonly choices: readonly {
    readonly finish_reason: string;
    readonly message: { readonly content: string };
  }[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

export function directClient(llama: Service, upstreamModel: string): ChatClient {
  return {
    name: 'llama-server, no gateway',
    streamed: false,
    async ask(call: ChatCall): Promise<Answer> {
      const response = await fetch(`${llama.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          model: upstreamModel,
          messages: call.turns.map(({ role, text }) => ({ role, content: text })),
          max_tokens: call.maxTokens,
          temperature: 0,
          seed: call.seed,
        }),
        signal: AbortSignal.timeout(60_000),
      });
      if (!response.ok) throw new Error(`llama-server: ${response.status} ${await response.text()}`);
      const completion = (await response.json()) as Completion;
      const choice = completion.choices[0]!;
      return {
        text: choice.message.content,
        finishReason: choice.finish_reason,
        promptTokens: completion.usage.prompt_tokens,
        completionTokens: completion.usage.completion_tokens,
        pieces: 1,
      };
    },
  };
}
