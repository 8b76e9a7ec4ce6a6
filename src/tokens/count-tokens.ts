import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Tool } from '../../gen/llmgateway/v1/generation_pb.js';
import type { Message, Part } from '../../gen/llmgateway/v1/message_pb.js';
import { estimateTokens } from './estimate.ts';
import { countImage } from './images.ts';
import { countText, type Encoding, encodingOf } from './tokenizer.ts';
import { sumFunction, type TokenSum, toolCosts } from './tools.ts';

export interface TokenCount {
  /** Input tokens that the request would have. */
  readonly tokens: number;
  /**
   * How they were found: `o200k_base` or `cl100k_base`, by that tokenizer; with `_sampled` after it, by that tokenizer of a part of a
   * long text; `estimate`, by the length of the texts.
   */
  readonly method: string;
}

/** A message's start, role and end; a name; the start of the answer. Source: OpenAI's cookbook, num_tokens_from_messages. */
const tokensOfMessage = 4;
const tokensOfName = 1;
const tokensOfAnswer = 3;
/**
 * A call of a tool beyond its name and arguments, one of several at once, and all calls of a message besides. Found by recorded usage
 * of gpt-4o, gpt-4.1-nano and o4-mini.
 */
const tokensOfCall = 6;
const tokensOfParallelCall = 12;
const tokensOfCalls = 2;
/** What gpt-oss gets before each conversation, and before its tools. Found by recorded usage of llama.cpp's server. */
const ossPreamble = 64;
const ossTools = 14;

/**
 * The input tokens of a request, without asking its provider. With a tokenizer where the model's is known: then what OpenAI's rules
 * for messages, tools and pictures say is exact for texts, and near for the rest. It looks at no more than `maxExact` characters, and
 * so takes 10 to 50 ms at most for texts of people, 0.2 s for noise; the first call loads the tokenizer, which takes 0.2 s more.
 * @param model whose tokens; its name at the provider
 */
export function countTokens(
  request: CreateChatCompletionRequest,
  { upstreamModel }: { readonly provider: string; readonly upstreamModel: string },
): TokenCount {
  const encoding = encodingOf(upstreamModel);
  const sum = new Sum();
  for (const message of request.messages) sumMessage(sum, message, upstreamModel, encoding !== null);
  sumTools(sum, request.tools, encoding);
  const format = request.parameters?.responseFormat?.kind;
  if (format?.case === 'jsonSchema') sum.text(format.value.schemaJson);
  if (/(?:^|\/)gpt-oss/.test(upstreamModel)) sum.add(ossPreamble + (request.tools.length > 0 ? ossTools : 0));
  if (encoding === null) {
    const tokens = sum.tokens + estimateTokens(sum.characters, request.messages.length, upstreamModel);
    return { tokens, method: 'estimate' };
  }
  return sum.count(encoding);
}

/** Characters that are counted exactly at most; of more, samples. */
export const maxExact = 128 * 1024;
const samples = 32;
const sampleLength = 2 * 1024;

/** Gathers first and counts then, because how depends on how much it is. */
class Sum implements TokenSum {
  tokens = 0;
  characters = 0;
  readonly #texts: string[] = [];

  add(tokens: number): void {
    this.tokens += tokens;
  }

  text(text: string): void {
    if (text === '') return;
    this.characters += text.length;
    this.#texts.push(text);
  }

  count(encoding: Encoding): TokenCount {
    let tokens = this.tokens + tokensOfAnswer;
    if (this.characters <= maxExact) {
      for (const text of this.#texts) tokens += countText(text, encoding);
      return { tokens, method: encoding };
    }
    // The same places each time, so that the same request has the same count.
    const all = this.#texts.join('\n');
    const stride = (all.length - sampleLength) / (samples - 1);
    let counted = 0;
    for (let i = 0; i < samples; i++) {
      const begin = Math.floor(i * stride);
      counted += countText(all.slice(begin, begin + sampleLength), encoding);
    }
    tokens += Math.round((counted * this.characters) / (samples * sampleLength));
    return { tokens, method: `${encoding}_sampled` };
  }
}

/** @param exact with what the form of messages costs; the estimate has its own number for that */
function sumMessage(sum: Sum, { parts, name }: Message, model: string, exact: boolean): void {
  if (exact) {
    sum.add(tokensOfMessage);
    if (name !== '') {
      sum.add(tokensOfName);
      sum.text(name);
    }
    const calls = parts.filter(({ content }) => content.case === 'toolCall').length;
    if (calls > 0) sum.add(tokensOfCalls + calls * (calls === 1 ? tokensOfCall : tokensOfParallelCall));
  }
  for (const part of parts) sumPart(sum, part, model);
}

function sumPart(sum: Sum, { content }: Part, model: string): void {
  switch (content.case) {
    case 'text':
    case 'refusal':
      sum.text(content.value.text);
      break;
    case 'image':
      sum.add(countImage(content.value, model));
      break;
    case 'file':
      // A document's pages cannot be told from its bytes.
      if (content.value.source.case === 'text') sum.text(content.value.source.value);
      break;
    case 'toolCall':
      sum.text(content.value.name);
      sum.text(content.value.arguments);
      break;
    case 'toolResult':
      for (const inner of content.value.parts) sumPart(sum, inner, model);
      break;
    case 'opaque':
      sum.text(content.value.text);
      break;
    default:
    // Reasoning is left out of the history by most, and sound is counted by its length.
  }
}

function sumTools(sum: Sum, tools: readonly Tool[], encoding: Encoding | null): void {
  if (tools.length === 0) return;
  const costs = toolCosts[encoding ?? 'o200k_base'];
  if (encoding !== null) sum.add(costs.end);
  for (const { kind } of tools) {
    switch (kind.case) {
      case 'function':
        if (encoding !== null) sumFunction(sum, kind.value, costs);
        else sum.text(`${kind.value.name}${kind.value.description}${kind.value.parametersJson}`);
        break;
      case 'custom':
        sum.text(`${kind.value.name}${kind.value.description}${kind.value.formatJson}`);
        break;
      case 'hosted':
        sum.text(kind.value.json);
        break;
      default:
    }
  }
}
