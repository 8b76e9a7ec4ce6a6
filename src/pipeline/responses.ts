import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type GenerationParameters, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { isProvidersCompaction, isTrigger } from '../model/compaction.ts';
import { tapEvents } from '../model/events.ts';
import { pictureOf } from '../model/picture-items.ts';
import { withPlainOutputs } from '../responses/hosted-items.ts';
import { hostedType } from '../responses/hosted-tools.ts';
import { type Places, placed, withoutNamespaces } from '../responses/namespaces.ts';
import type { ChatCall, Reply, Stage } from './call.ts';

/** What a member of a request means to providers that do not have the Responses API. */
type Meaning =
  /** Without it the answer would be about something else. */
  | 'refused'
  /** A hint: the client is told that it has no effect. */
  | 'dropped'
  /** Nothing is lost without it: it asks for what is the case, or for more of what there is not; or the gateway does it. */
  | 'neutral';

const meanings: Readonly<Record<string, Meaning>> = {
  prompt: 'refused',
  // One of a hosted tool.
  tool_choice: 'refused',
  access_programs: 'dropped',
  context_management: 'dropped',
  image: 'dropped',
  max_tool_calls: 'dropped',
  truncation: 'neutral',
  include: 'neutral',
  reasoning: 'neutral',
  text: 'neutral',
};

/** Fits a request that came by the Responses API to a provider that does not have it, or not all of it. */
export const responsesStage: Stage = (next) => (call) => {
  if (call.kind !== 'chat' || call.api !== 'responses' || call.route === null) return next(call);
  const { responses } = call.route.provider;
  if (responses?.compact === undefined) {
    call.request = withoutTrigger(call);
    checkCompactions(call);
  }
  if (responses !== undefined) return next(call);
  const { request, places } = withoutNamespaces(call.request);
  call.request = request;
  call.request = overChat(call);
  return places.size === 0 ? next(call) : inNamespaces(next(call), places);
};

/** The answer with the client's names of its functions. */
async function inNamespaces(pending: Promise<Reply>, places: Places): Promise<Reply> {
  const reply = await pending;
  const all = (parts: readonly Part[]): Part[] => parts.map((part) => placed(part, places));
  if (reply.kind === 'unary') {
    const { choices, toolMessages } = reply.response;
    for (const { message } of choices) if (message !== undefined) message.parts = all(message.parts);
    for (const message of toolMessages) message.parts = all(message.parts);
  }
  if (reply.kind !== 'stream') return reply;
  const events = tapEvents(reply.events, {
    events(batch) {
      for (const { event } of batch) {
        const { case: kind, value } = event;
        if (kind === 'partStarted' && value.content !== undefined)
          value.content = placed(value.content, places);
        if (kind === 'partEnded' && value.final !== undefined) value.final = placed(value.final, places);
      }
    },
  });
  return { kind: 'stream', events };
}

function overChat(call: ChatCall): CreateChatCompletionRequest {
  const { extras, ...rest } = call.request;
  const messages = asAnswered(plainOutputs(call, rest.messages));
  const request = withoutHosted(call, withoutKept({ ...rest, messages }));
  if (extras === undefined) return request;
  const drop = call.request.options?.dropParams;
  const left: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(JSON.parse(extras.json) as Record<string, unknown>)) {
    const meaning = Object.hasOwn(meanings, key) ? meanings[key] : undefined;
    if (meaning === undefined) left[key] = value;
    else if (meaning === 'neutral') {
      if (key === 'truncation' && value === 'auto') call.truncates = true;
      const unknown = unknownWithin(key, value);
      if (unknown !== undefined) left[key] = unknown;
    } else if (drop ?? meaning === 'dropped') call.report.droppedParams.push(key);
    else throw refusal(call, key, call.face === 'rpc' ? (rpcFields[key] ?? 'parameters.extras') : key);
  }
  if (Object.keys(left).length === 0) return request;
  return { ...request, extras: build.extras(extras.dialect, JSON.stringify(left)) };
}

/** What of a member that means nothing to others no one knows, so that it is reported; undefined for nothing. */
function unknownWithin(key: string, value: unknown): unknown {
  if (Array.isArray(value)) {
    const unknown = value.filter((one) => !included.has(one));
    return key === 'include' && unknown.length > 0 ? unknown : undefined;
  }
  if (key !== 'reasoning' || typeof value !== 'object' || value === null) return undefined;
  const { summary: _, generate_summary: __, ...unknown } = value as Record<string, unknown>;
  return Object.keys(unknown).length > 0 ? unknown : undefined;
}

/** All that this API can include in an answer. */
const included: ReadonlySet<unknown> = new Set([
  'code_interpreter_call.outputs',
  'computer_call_output.output.image_url',
  'file_search_call.results',
  'message.input_image.image_url',
  'message.output_text.logprobs',
  'reasoning.encrypted_content',
  'web_search_call.action.sources',
  'web_search_call.results',
]);

const rpcFields: Readonly<Record<string, string>> = {
  prompt: 'parameters.prompt_json',
  max_tool_calls: 'parameters.max_tool_calls',
};

/** What clients did for tools that only OpenAI's models have. @throws GatewayError UNSUPPORTED_PARAMETER when that is all they say */
function plainOutputs(call: ChatCall, given: readonly Message[]): readonly Message[] {
  const { messages, simplified, dropped, unsaid } = withPlainOutputs(given);
  const { compacts = false, face, inputCount = 0, report } = call;
  const input = face === 'rpc' ? 'parameters.input' : 'input';
  if (unsaid !== -1 && !compacts) {
    const place = inputCount - (given.length - unsaid);
    throw refusal(call, `an item of type ${dropped.at(-1)}`, place < 0 ? input : `${input}[${place}]`);
  }
  if (simplified.length > 0) {
    const what = [...new Set(simplified)].join(', ');
    const explanation = `of calls and outputs of ${what} only the plain text is sent`;
    report.warnings.push(build.warning('simplified_part', explanation, input));
  }
  if (dropped.length > 0) {
    const explanation = `items of type ${[...new Set(dropped)].join(', ')} say nothing in plain text`;
    report.warnings.push(build.warning('dropped_part', explanation, input));
  }
  return messages;
}

/**
 * Answers of before as chat APIs have them: with pictures as parts of theirs. What a model has said is no list: there is one way to say a text to it that
 * all providers understand.
 */
const asAnswered = (messages: readonly Message[]): Message[] =>
  messages.map((message) =>
    message.role === Role.ASSISTANT
      ? { ...message, multipart: false, parts: message.parts.map((part) => pictureOf(part) ?? part) }
      : message,
  );

/** The gateway itself keeps the response with its labels: of others that is not wanted. */
function withoutKept(
  request: Omit<CreateChatCompletionRequest, 'extras'>,
): Omit<CreateChatCompletionRequest, 'extras'> {
  if (request.parameters === undefined) return request;
  const { store: _, ...parameters } = request.parameters;
  return { ...request, parameters: { ...parameters, metadata: {} } as GenerationParameters };
}

/** Tools that OpenAI runs: left out, and reported, as long as the model has others to call. */
function withoutHosted(
  call: ChatCall,
  request: Omit<CreateChatCompletionRequest, 'extras'>,
): Omit<CreateChatCompletionRequest, 'extras'> {
  const { tools, toolChoice, options } = request;
  const drop = options?.dropParams;
  const needed = toolChoice?.mode !== ToolChoice_Mode.NONE && tools.every((tool) => hostedType(tool) !== '');
  const left = tools.filter((tool, i) => {
    const type = hostedType(tool);
    if (type === '') return true;
    const field = `${call.face === 'rpc' ? 'parameters.' : ''}tools[${i}]`;
    if (drop === false || (needed && drop !== true)) throw refusal(call, `the hosted tool ${type}`, field);
    const explanation = `provider ${call.route?.provider.name} does not have the hosted tool ${type}`;
    call.report.warnings.push(build.warning('dropped_tool', explanation, field));
    return false;
  });
  if (left.length === tools.length) return request;
  if (left.length > 0 || toolChoice === undefined) return { ...request, tools: left };
  const { toolChoice: _, ...rest } = request;
  const explanation = 'what it is about was left out';
  call.report.warnings.push(build.warning('dropped_tool_choice', explanation, 'tool_choice'));
  return { ...rest, tools: left };
}

/** A last item that asks for the conversation to be compacted; the gateway does that in place of the provider. */
function withoutTrigger(call: ChatCall): CreateChatCompletionRequest {
  const { request } = call;
  const only = request.messages.at(-1)?.parts;
  if (only?.length !== 1 || !isTrigger(only[0] as Part)) return request;
  call.compacts = true;
  return { ...request, messages: request.messages.slice(0, -1) };
}

/** What another provider has compacted this one cannot read: without it most of the conversation would be missing. */
function checkCompactions(call: ChatCall): void {
  const { request } = call;
  if (!request.messages.some(hasCompaction)) return;
  if (request.options?.dropParams !== true) {
    const field = call.face === 'rpc' ? 'parameters.input' : 'input';
    throw refusal(call, 'a conversation that another provider compacted', field);
  }
  const messages = request.messages
    .map((message) => ({ ...message, parts: message.parts.filter((part) => !isProvidersCompaction(part)) }))
    .filter(({ parts }) => parts.length > 0);
  call.request = { ...request, messages };
  const explanation = 'only the provider that compacted the conversation can read it';
  call.report.warnings.push(build.warning('dropped_part', explanation, 'input'));
}

const hasCompaction = ({ parts }: Message): boolean => parts.some(isProvidersCompaction);

function refusal({ route }: ChatCall, what: string, field: string): GatewayError {
  const provider = route?.provider.name ?? '';
  return new GatewayError(ErrorReason.UNSUPPORTED_PARAMETER, `provider ${provider} cannot take ${what}`, {
    field,
    provider,
  });
}
