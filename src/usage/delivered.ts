import type { StreamChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Choice, Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../model/build.ts';
import { estimateTokens } from '../tokens/estimate.ts';
import { countText, encodingOf } from '../tokens/tokenizer.ts';

/** Characters that are kept to be counted; of more the number alone. */
const maxKept = 128 * 1024;

/** What of an answer has come, to be counted where its provider does not. */
export class Delivered {
  /** Whether there is any output. */
  some = false;
  #text = '';
  #characters = 0;
  /** Parts whose deltas are not text. */
  #sound: Set<string> | null = null;

  /** Output of an answer that is there whole. */
  choices(choices: readonly Choice[]): void {
    for (const { message } of choices) {
      for (const { content } of message?.parts ?? []) {
        this.some = true;
        if (content.case === 'text' || content.case === 'refusal' || content.case === 'reasoning')
          this.#add(content.value.text);
        else if (content.case === 'toolCall') this.#add(`${content.value.name}${content.value.arguments}`);
      }
    }
  }

  /** Output of a stream. */
  events(batch: readonly StreamChatCompletionResponse[]): void {
    for (let i = 0; i < batch.length; i++) {
      const { event } = batch[i] as StreamChatCompletionResponse;
      if (event.case === 'delta') {
        const { choice, part, text, transcript } = event.value;
        if (text !== '' || transcript !== '') this.some = true;
        if (this.#sound === null || !this.#sound.has(`${choice}/${part}`)) this.#add(text);
        this.#add(transcript);
      } else if (event.case === 'partStarted') {
        const { choice, part, content } = event.value;
        if (content?.content.case === 'toolCall') {
          this.some = true;
          this.#add(content.content.value.name);
        } else if (content?.content.case === 'audio') (this.#sound ??= new Set()).add(`${choice}/${part}`);
      }
    }
  }

  /** A usage by what has come, with the tokenizer of the model where it is known. */
  usage(promptTokens: number, upstreamModel: string): Usage {
    return build.usage(promptTokens, this.#tokens(upstreamModel), { estimated: true });
  }

  /**
   * The same, with what the provider has said: its numbers stand, but for output that may have come since.
   * @param said of an answer that goes on
   * @param promptTokens asked where nothing was said of the prompt
   */
  usageWith(said: Usage, promptTokens: () => number, upstreamModel: string): Usage {
    const prompt = said.promptTokens === 0 ? promptTokens() : said.promptTokens;
    const completion = Math.max(said.completionTokens, this.#tokens(upstreamModel));
    return {
      ...said,
      promptTokens: prompt,
      completionTokens: completion,
      totalTokens: prompt + completion,
      estimated: true,
    };
  }

  #tokens(upstreamModel: string): number {
    const encoding = encodingOf(upstreamModel);
    if (encoding === null) return estimateTokens(this.#characters, 0, upstreamModel);
    if (this.#text === '') return 0;
    const counted = countText(this.#text, encoding);
    return Math.round((counted * this.#characters) / this.#text.length);
  }

  #add(text: string): void {
    this.#characters += text.length;
    if (this.#text.length < maxKept) this.#text += text;
  }
}
