import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../gen/llmgateway/v1/completion_pb.js';
import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import type { ModelCapability } from '../../gen/llmgateway/v1/models_service_pb.js';
import type { CompactResponseResponse } from '../../gen/llmgateway/v1/responses_service_pb.js';
import type { EventStream } from '../model/events.ts';
import type { TraceContext } from '../observability/trace.ts';
import type { KeyChoice } from './key-pool.ts';

/** How long each phase of an upstream call may take, in milliseconds. */
export interface Timeouts {
  /** Until the connection stands. */
  readonly connectMs: number;
  /** From the sent request to the first byte of the answer's body. */
  readonly firstByteMs: number;
  /** Between two bytes of the body. */
  readonly idleMs: number;
  /** Until the first output, which bytes without content are not. Unset: no bound of its own. */
  readonly firstTokenMs?: number;
  /** Until the end of the answer. Unset: no bound but the call's. */
  readonly totalMs?: number;
}

/** A call as a provider gets it: routed, with everything that the provider cannot take already out. */
export interface ProviderCall<Request = CreateChatCompletionRequest> {
  readonly request: Request;
  /** The model's name at the provider. */
  readonly upstreamModel: string;
  /** Id of the request, for the provider's logs where it takes one. */
  readonly requestId: string;
  /** Whose call it is; '' for everybody's. For providers that remember something between calls. */
  readonly tenant?: string;
  /** Aborts when nobody wants the answer any more, with a GatewayError as reason. */
  readonly signal: AbortSignal;
  readonly timeouts: Timeouts;
  /** Which of the provider's keys it is to have, where there are several. */
  readonly keys?: KeyChoice;
  /** The trace that the provider is told of. */
  readonly trace?: TraceContext | undefined;
  /** Takes what the provider's form could not carry, for the client to be told. */
  warn(warnings: readonly Warning[]): void;
}

/** More models than this are not taken from one provider. */
export const maxDiscoveredModels = 10_000;
/** Longer names are not taken, because with its provider's prefix a name has to be one that can be asked for. */
export const maxModelName = 400;

/** A model that a provider says it has. What is unset it does not say. */
export interface DiscoveredModel {
  /** Its name at the provider. */
  readonly id: string;
  /** Other names for it at the provider. */
  readonly aliases?: readonly string[];
  /** Tokens. */
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  /** All that it can do. */
  readonly capabilities?: readonly ModelCapability[];
  readonly price?: DiscoveredPrice;
  /** Unix seconds. */
  readonly createdAt?: number;
  /** It runs elsewhere: the provider hands calls of it on to somebody else. */
  readonly remote?: boolean;
}

/** USD for a million tokens. */
export interface DiscoveredPrice {
  readonly input?: number;
  readonly cachedInput?: number;
  readonly cacheWrite?: number;
  readonly output?: number;
}

/** Another API of a provider that answers the same requests. */
export interface ChatWay {
  unsupported(upstreamModel: string): ReadonlySet<string>;
  createChat(call: ProviderCall): Promise<CreateChatCompletionResponse>;
  streamChat(call: ProviderCall): Promise<EventStream>;
  /** Shortens a conversation to items that only this provider can read. */
  compact?(call: ProviderCall): Promise<CompactResponseResponse>;
}

/**
 * One place that answers. What a provider lacks is absent: no method throws "not supported".
 *
 * Every failure is a GatewayError that names the provider. A stream's failure before its first event rejects
 * `streamChat` itself, so that retries and fallbacks are free to act; afterwards it is thrown by the stream.
 */
export interface Provider {
  /** Name, as in the configuration. */
  readonly name: string;
  /** What is missing before it can be used, as a sentence that names the variable to set; null when nothing is. */
  readonly missing: string | null;
  /**
   * Names of request parameters that it cannot take, as on the REST face ("logit_bias"); a function where that depends on
   * the model.
   */
  unsupported(upstreamModel: string): ReadonlySet<string>;
  /** Of those it cannot take, what is left out and told although answers may hang on it: its clients send them by habit. */
  readonly ignored?: ReadonlySet<string>;
  /** It keeps conversations that a request of its own form names (Anthropic's message threads). */
  readonly keepsThreads?: true;
  createChat?(call: ProviderCall): Promise<CreateChatCompletionResponse>;
  /** Resolves at the first event. */
  streamChat?(call: ProviderCall): Promise<EventStream>;
  /** OpenAI's Responses API: the way of calls that came by that API, for providers that have it. */
  readonly responses?: ChatWay;
  /** One vector for every input; their number, order and length are checked afterwards. */
  createEmbeddings?(call: ProviderCall<CreateEmbeddingsRequest>): Promise<CreateEmbeddingsResponse>;
  /** The input tokens that the request would have, as the provider counts them; null where it does not count for the model. */
  countTokens?(call: ProviderCall): Promise<number | null>;
  /** Asks the provider for its models; only providers that can be asked have it. */
  listModels?(signal: AbortSignal): Promise<DiscoveredModel[]>;
}
