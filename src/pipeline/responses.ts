import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { tapEvents } from '../model/events.ts';
import { type Places, placed, withoutNamespaces } from '../responses/namespaces.ts';
import type { ChatCall, Reply, Stage } from './call.ts';

/** What a member of a request means to providers that do not have the Responses API. */
type Meaning =
  /** Without it the answer would be about something else. */
  | 'refused'
  /** The client is told that it has no effect. */
  | 'dropped'
  /** Nothing is lost without it: it asks for what is the case, or for more of what there is not. */
  | 'neutral';

const meanings: Readonly<Record<string, Meaning>> = {
  prompt: 'refused',
  max_tool_calls: 'dropped',
  truncation: 'dropped',
  context_management: 'dropped',
  include: 'neutral',
  reasoning: 'neutral',
  text: 'neutral',
};

/** Fits a request that came by the Responses API to a provider that does not have it. */
export const responsesStage: Stage = (next) => (call) => {
  if (call.kind !== 'chat' || call.api !== 'responses' || call.route === null) return next(call);
  if (call.route.provider.responses !== undefined) return next(call);
  const { request, places } = withoutNamespaces(overChat(call));
  call.request = request;
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
  const { extras, ...request } = call.request;
  if (extras === undefined) return call.request;
  const left: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(JSON.parse(extras.json) as Record<string, unknown>)) {
    const meaning = Object.hasOwn(meanings, key) ? meanings[key] : undefined;
    if (meaning === undefined) left[key] = value;
    else if (meaning === 'refused') throw refusal(call, key);
    else if (meaning === 'dropped' && value !== 'disabled') call.report.droppedParams.push(key);
  }
  if (Object.keys(left).length === 0) return request;
  return { ...request, extras: build.extras(extras.dialect, JSON.stringify(left)) };
}

function refusal({ face, route }: ChatCall, key: string): GatewayError {
  const provider = route?.provider.name ?? '';
  return new GatewayError(ErrorReason.UNSUPPORTED_PARAMETER, `provider ${provider} cannot take ${key}`, {
    field: face === 'rpc' ? `parameters.${key}_json` : key,
    provider,
  });
}
