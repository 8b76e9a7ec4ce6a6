// Messages of the shared model as plain literals. Structurally they are what create() makes, at an eighth of its cost;
// they are made for every request and every chunk.
import type { UpstreamAttempt } from '../../gen/llmgateway/v1/attempt_pb.js';
import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import type {
  CallReport,
  Choice,
  ContextReport,
  FinishReason,
  SensitivityReport,
  Usage,
  Warning,
} from '../../gen/llmgateway/v1/completion_pb.js';
import type {
  CustomTool,
  FunctionTool,
  GatewayOptions,
  GenerationParameters,
  JsonSchemaFormat,
  ResponseFormat,
  Tool,
  ToolChoice,
  ToolChoice_Mode,
} from '../../gen/llmgateway/v1/generation_pb.js';
import type {
  Annotation,
  AudioPart,
  CacheBreakpoint,
  Extras,
  FilePart,
  ImagePart,
  Message,
  OpaquePart,
  Part,
  ReasoningPart,
  RefusalPart,
  Role,
  TextPart,
  ToolCall,
  ToolResult,
  UrlCitation,
} from '../../gen/llmgateway/v1/message_pb.js';
import { type Init, name } from './build-form.ts';

export const message = (role: Role, parts: Part[], rest?: Init<Message>): Message => ({
  $typeName: name('Message'),
  role,
  parts,
  name: '',
  multipart: false,
  instructions: false,
  ...rest,
});

/** A part around its content. */
export const part = (content: Part['content'], rest?: Init<Part>): Part =>
  rest === undefined ? { $typeName: name('Part'), content } : { $typeName: name('Part'), content, ...rest };

export const text = (value: string, rest?: Init<TextPart>): TextPart => ({
  $typeName: name('TextPart'),
  text: value,
  annotations: [],
  ...rest,
});

export const image = (source: ImagePart['source'], rest?: Init<ImagePart>): ImagePart => ({
  $typeName: name('ImagePart'),
  source,
  mediaType: '',
  detail: '',
  ...rest,
});

export const audio = (source: AudioPart['source'], rest?: Init<AudioPart>): AudioPart => ({
  $typeName: name('AudioPart'),
  source,
  format: '',
  transcript: '',
  answerId: '',
  ...rest,
});

export const file = (source: FilePart['source'], rest?: Init<FilePart>): FilePart => ({
  $typeName: name('FilePart'),
  source,
  mediaType: '',
  filename: '',
  ...rest,
});

export const reasoning = (value: string, rest?: Init<ReasoningPart>): ReasoningPart => ({
  $typeName: name('ReasoningPart'),
  text: value,
  summary: false,
  signature: '',
  encrypted: '',
  id: '',
  format: '',
  ...rest,
});

export const toolCall = (id: string, tool: string, args: string, rest?: Init<ToolCall>): ToolCall => ({
  $typeName: name('ToolCall'),
  id,
  name: tool,
  arguments: args,
  custom: false,
  signature: '',
  legacy: false,
  ...rest,
});

export const toolResult = (toolCallId: string, parts: Part[], rest?: Init<ToolResult>): ToolResult => ({
  $typeName: name('ToolResult'),
  toolCallId,
  parts,
  isError: false,
  name: '',
  multipart: false,
  custom: false,
  ...rest,
});

export const refusal = (value: string): RefusalPart => ({ $typeName: name('RefusalPart'), text: value });

/** `said`: see OpaquePart.text. */
export const opaque = (dialect: string, type: string, json: string, said = ''): OpaquePart => ({
  $typeName: name('OpaquePart'),
  dialect,
  type,
  json,
  text: said,
});

export const extras = (dialect: string, json: string, repeatedKeys: string[] = []): Extras => ({
  $typeName: name('Extras'),
  dialect,
  json,
  repeatedKeys,
});

export const cacheBreakpoint = (ttl = ''): CacheBreakpoint => ({ $typeName: name('CacheBreakpoint'), ttl });

export const annotation = (kind: Annotation['kind']): Annotation => ({ $typeName: name('Annotation'), kind });

export const urlCitation = (rest?: Init<UrlCitation>): UrlCitation => ({
  $typeName: name('UrlCitation'),
  url: '',
  title: '',
  startIndex: 0,
  endIndex: 0,
  ...rest,
});

export const textPart = (value: string, rest?: Init<TextPart>, around?: Init<Part>): Part =>
  part({ case: 'text', value: text(value, rest) }, around);

export const tool = (kind: Tool['kind'], rest?: Init<Tool>): Tool => ({
  $typeName: name('Tool'),
  kind,
  ...rest,
});

export const functionTool = (toolName: string, rest?: Init<FunctionTool>): FunctionTool => ({
  $typeName: name('FunctionTool'),
  name: toolName,
  description: '',
  parametersJson: '',
  ...rest,
});

export const customTool = (toolName: string, rest?: Init<CustomTool>): CustomTool => ({
  $typeName: name('CustomTool'),
  name: toolName,
  description: '',
  formatJson: '',
  ...rest,
});

export const toolChoice = (mode: ToolChoice_Mode, rest?: Init<ToolChoice>): ToolChoice => ({
  $typeName: name('ToolChoice'),
  mode,
  name: '',
  custom: false,
  allowedRequired: false,
  allowedJson: '',
  ...rest,
});

export const responseFormat = (kind: ResponseFormat['kind']): ResponseFormat => ({
  $typeName: name('ResponseFormat'),
  kind,
});

export const jsonSchemaFormat = (schemaName: string, rest?: Init<JsonSchemaFormat>): JsonSchemaFormat => ({
  $typeName: name('JsonSchemaFormat'),
  name: schemaName,
  description: '',
  schemaJson: '',
  ...rest,
});

export const parameters = (rest?: Init<GenerationParameters>): GenerationParameters => ({
  $typeName: name('GenerationParameters'),
  legacyMaxTokens: false,
  stop: [],
  logitBias: {},
  reasoningEffort: '',
  modalities: [],
  audioJson: '',
  predictionJson: '',
  verbosity: '',
  serviceTier: '',
  webSearchOptionsJson: '',
  metadata: {},
  promptCacheKey: '',
  promptCacheRetention: '',
  promptCacheOptionsJson: '',
  safetyIdentifier: '',
  user: '',
  moderationJson: '',
  legacyFunctions: false,
  ...rest,
});

export const gatewayOptions = (rest?: Init<GatewayOptions>): GatewayOptions => ({
  $typeName: name('GatewayOptions'),
  sessionId: '',
  gatewayTools: [],
  toolApproval: false,
  fallbacks: [],
  forceRefresh: false,
  finishWhenAbandoned: false,
  cmsMode: '',
  approvedToolCalls: [],
  noStore: false,
  ...rest,
});

export const chatRequest = (
  model: string,
  messages: Message[],
  rest?: Init<CreateChatCompletionRequest>,
): CreateChatCompletionRequest => ({
  $typeName: name('CreateChatCompletionRequest'),
  model,
  messages,
  tools: [],
  ...rest,
});

export const chatResponse = (
  id: string,
  model: string,
  createdAt: number,
  choices: Choice[],
  rest?: Init<CreateChatCompletionResponse>,
): CreateChatCompletionResponse => ({
  $typeName: name('CreateChatCompletionResponse'),
  toolMessages: [],
  id,
  model,
  createdAt,
  choices,
  serviceTier: '',
  systemFingerprint: '',
  ...rest,
});

export const choice = (
  index: number,
  answer: Message,
  finishReason: FinishReason,
  rest?: Init<Choice>,
): Choice => ({
  $typeName: name('Choice'),
  index,
  message: answer,
  finishReason,
  nativeFinishReason: '',
  ...rest,
});

export const usage = (promptTokens: number, completionTokens: number, rest?: Init<Usage>): Usage => ({
  $typeName: name('Usage'),
  promptTokens,
  completionTokens,
  totalTokens: promptTokens + completionTokens,
  estimated: false,
  ...rest,
});

export const callReport = (provider: string, upstreamModel: string): CallReport => ({
  $typeName: name('CallReport'),
  provider,
  upstreamModel,
  attempts: 0,
  droppedParams: [],
  warnings: [],
  costUsd: '',
  costEstimated: false,
  costIncomplete: false,
  tries: [],
  model: '',
  cache: '',
  cacheAgeSeconds: 0,
});

/** @param mode what is done with sensitive calls */
export const sensitivityReport = (mode: string): SensitivityReport => ({
  $typeName: name('SensitivityReport'),
  score: 0,
  sensitive: false,
  categories: [],
  mode,
  keptFrom: '',
});

export const upstreamAttempt = (
  provider: string,
  upstreamModel: string,
  outcome: string,
  durationMs: number,
): UpstreamAttempt => ({
  $typeName: name('UpstreamAttempt'),
  provider,
  upstreamModel,
  outcome,
  durationMs: Math.max(0, Math.round(durationMs)),
});

export const contextReport = (
  tokenCount: number,
  tokenLimit: number,
  tier: number,
  routed: boolean,
  headroomPercent: number,
): ContextReport => ({
  $typeName: name('ContextReport'),
  tokenCount,
  tokenLimit,
  tier,
  routed,
  headroomPercent,
});

export const warning = (code: string, explanation: string, field = ''): Warning => ({
  $typeName: name('Warning'),
  code,
  message: explanation,
  field,
});
