import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CallReport, SensitivityReport, Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import type { CompactResponseResponse } from '../../gen/llmgateway/v1/responses_service_pb.js';
import type { Principal } from '../auth/principal.ts';
import type { EventStream, StreamEvent } from '../model/events.ts';
import type { TraceContext } from '../observability/trace.ts';
import type { SecurityMode } from '../security/mode.ts';
import type { Screening } from '../security/screening.ts';
import type { Tool } from '../tools/tool.ts';
import type { Route, RoutePlan } from './route.ts';

/** What the client says of a call beside its request, for the audit trail. */
export interface CallNames {
  /** Where it was sent, where the face alone does not tell that. */
  readonly route?: string;
  /** `X-Correlation-ID`. */
  readonly correlationId?: string;
  /** End user, where the request does not name it. */
  readonly user?: string;
  /** The provider that was asked for: `auto` where the choice was left to the gateway. */
  readonly provider?: string;
  /** The model that was asked for, where the request's is the gateway's choice; '' for none. */
  readonly model?: string;
}

/** What calls of every kind have. */
interface AnyCall {
  /** Id of the request, as in `x-request-id`. */
  readonly id: string;
  /** Face by which it came, for logs and metrics: "openai.chat", "anthropic.messages", "openai.embeddings", "rpc". */
  readonly face: string;
  /** Who asks. */
  readonly principal: Principal;
  /** See CallNames. */
  readonly named?: CallNames | undefined;
  /** Aborts with a GatewayError when the client leaves or its deadline passes. */
  readonly signal: AbortSignal;
  /** When it will, at the latest, on the clock of performance.now(). */
  readonly deadline?: number | undefined;
  /** Those who wait for its answer, where there may be more than its client: its deadline is then theirs, and may move. */
  readonly awaited?: { readonly deadline: number | undefined };
  /** W3C trace context of the client's request. */
  readonly trace?: TraceContext | undefined;
  /** What the provider is told of the trace. */
  readonly upstreamTrace?: TraceContext | undefined;
  /** Where it goes: set by the routing stage, and anew for each attempt. */
  route: Route | null;
  /** Where else it may go; set by the routing stage. */
  plan?: RoutePlan;
  /** What the client is told of the way. */
  readonly report: CallReport;
  /** Told of what each answer of a provider's used, once; set where somebody wants to know. */
  used?: (usage: Usage) => void;
  /** Resolves when the client's limits let the call in, where that is being found out: to be waited for before anything is done that others notice. */
  letIn?: Promise<unknown>;
  /** Resolves when the provider may be asked; set where that is being found out. */
  admitted?: Promise<unknown>;
  /** Its text was found sensitive: nothing of it is cached, traced or told to services that remember. Sessions and stored responses keep it. */
  sensitive?: boolean;
  /** It goes to providers that may have sensitive text, and to no other. */
  confined?: boolean;
  /** What is done about sensitive texts where neither the tenant's configuration nor the general one says so. Default: "off". */
  readonly faceSecurity?: SecurityMode | undefined;
  /** Models that the face would have sensitive text go to, in this order, where the one that was asked for may not have it. Default: none. */
  readonly secureModels?: (() => readonly string[]) | undefined;
  /** The gateway chose the models, not the client: where a text calls for caution, secure ones come first. */
  readonly chosen?: boolean | undefined;
  /** What was found in its texts; set where they are looked at. */
  security?: CallSecurity;
}

/** What is known of how sensitive a call's texts are. Copies of the call share it. */
export interface CallSecurity {
  readonly mode: SecurityMode;
  readonly screening: Screening;
  readonly report: SensitivityReport;
  /** What became of it so far; see OnScreened. */
  outcome: string;
  /** Provider where the call would have gone; set where that was looked at. */
  from?: string;
  /** Messages that were looked at. */
  seen: readonly Message[] | Set<Message>;
}

/** APIs in which an answer can be asked for; all but OpenAI's responses are ways to say the same. */
export type ChatApiName = 'chat' | 'responses';

/** What the gateway's own tools have to do with a call. */
export interface ToolUse {
  /** Those that the request enables, by name. Their definitions are in its `tools`. */
  readonly enabled: ReadonlyMap<string, Tool>;
  /** The request has other tools besides, which the gateway does not run. */
  readonly clientHasOwn: boolean;
  /** How often tools were run and the model was asked again. */
  rounds: number;
  /** Names of those that were run. */
  readonly ran: Set<string>;
}

/** What a call's session gives to the call, and what of the call it keeps. */
export interface CallSession {
  /** JSON object text. */
  readonly contextJson: string;
  /** How many of the request's messages, the first ones, are the session's. */
  readonly historyLength: number;
  /**
   * All messages that the session keeps of this call, where they are not the request's and the answer as the client gets it. To be
   * set before the answer's end passes.
   */
  kept: readonly Message[] | null;
}

/** Asks for a chat completion. */
export interface ChatCall extends AnyCall {
  readonly kind: 'chat';
  /** The API that the client speaks: a provider that has it as well is asked by it. Default: "chat". */
  readonly api?: ChatApiName;
  /** Whether the answer is streamed. */
  readonly stream: boolean;
  /** What is asked. */
  request: CreateChatCompletionRequest;
  /** How many items of a responses request its last messages are. */
  readonly inputCount?: number;
  /** The oldest messages may be left out where the model does not take all of them. */
  truncates?: boolean;
  /** What is wanted is not an answer but a summary, in which the conversation can go on. */
  compacts?: boolean;
  /** Not there when the request enables none of the gateway's tools. */
  tools?: ToolUse;
  /** Its session is made unless it is there, and lives so long then, in milliseconds. Default: it has to be there. */
  readonly newSessionMs?: number | undefined;
  /** Not there when it names no session. */
  session?: CallSession;
}

/** Asks for vectors. */
export interface EmbeddingsCall extends AnyCall {
  readonly kind: 'embeddings';
  readonly stream: false;
  /** What is asked. */
  request: CreateEmbeddingsRequest;
}

/**
 * One call of a client on its way through the stages. Stages may replace what is not readonly. A stage that concerns one kind of
 * call only looks at `kind`; all others serve every kind.
 */
export type Call = ChatCall | EmbeddingsCall;
export type CallKind = Call['kind'];

/** When a call has to be over, on the clock of performance.now(); Infinity for whenever. */
export const deadlineOf = ({ deadline, awaited }: Call): number =>
  (awaited === undefined ? deadline : awaited.deadline) ?? Number.POSITIVE_INFINITY;

/** The answer to a chat call, when it is whole. */
export interface UnaryReply {
  readonly kind: 'unary';
  readonly response: CreateChatCompletionResponse;
  /** What a stream would have told of tools of the gateway that its message does not show. */
  readonly told?: ToldOfTools;
}

/** Events about the gateway's tools, for those who keep a conversation whole. */
export interface ToldOfTools {
  /** Of calls that were approved: before all else. */
  readonly before: readonly StreamEvent[];
  /** Of calls in the last answer, beside those of the client's tools. */
  readonly after: readonly StreamEvent[];
}

/** The answer to a chat call as it comes; the upstream has produced its first event. */
export interface StreamReply {
  readonly kind: 'stream';
  readonly events: EventStream;
}

/** The answer to an embeddings call. */
export interface EmbeddingsReply {
  readonly kind: 'embeddings';
  readonly response: CreateEmbeddingsResponse;
}

/** How many input tokens the request has: the answer to a call that asks only for that. */
export interface CountReply {
  readonly kind: 'count';
  readonly count: TokenCount;
}

/** A number of input tokens, and how it was found. See CountTokensResponse. */
export interface TokenCount {
  readonly tokens: number;
  /** The number is the gateway's, not the provider's own count. */
  readonly estimated: boolean;
  readonly method: string;
}

/** A conversation as its provider has compacted it. */
export interface CompactionReply {
  readonly kind: 'compaction';
  readonly response: CompactResponseResponse;
}

export type Reply = UnaryReply | StreamReply | CountReply | CompactionReply | EmbeddingsReply;

/**
 * Answers a call with a reply of its kind. Rejects with a GatewayError before the first output, when another try is still
 * allowed.
 */
export type Handler = (call: Call) => Promise<Reply>;

/** What a handler answers, also where it throws at once: for stages that have something to give back. */
export function answerOf(next: Handler, call: Call): Promise<Reply> {
  try {
    return next(call);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Wraps the handler that comes after it. */
export type Stage = (next: Handler) => Handler;

/** A row of stages in front of `last`: the first stage is the outermost. */
export const pipeline = (stages: readonly Stage[], last: Handler): Handler =>
  stages.reduceRight((next, stage) => stage(next), last);
