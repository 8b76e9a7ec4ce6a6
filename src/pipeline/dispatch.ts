import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { type EventStream, tapEvents } from '../model/events.ts';
import { checkEmbeddings } from '../providers/check-embeddings.ts';
import type { Provider, ProviderCall } from '../providers/provider.ts';
import type { Call, ChatCall, EmbeddingsCall, Handler, Reply } from './call.ts';
import { type Route, wayOf } from './route.ts';

/** Asks the provider of the call's route: the last handler of every pipeline. */
export const dispatch: Handler = (call): Promise<Reply> => {
  const { report } = call;
  const { provider, upstreamModel } = call.route as Route;
  report.provider = provider.name;
  report.upstreamModel = upstreamModel;
  report.attempts++;
  return call.kind === 'chat' ? chat(call, provider) : embeddings(call, provider);
};

async function chat(call: ChatCall, provider: Provider): Promise<Reply> {
  const upstream = upstreamCall(call, call.request);
  const way = wayOf(call, provider);
  if (call.compacts === true && 'compact' in way && way.compact !== undefined) {
    const response = await way.compact(upstream);
    response.callReport = call.report;
    return { kind: 'compaction', response };
  }
  if (call.stream) {
    if (way.streamChat === undefined) throw lacking(provider, 'streamed chat completions');
    return { kind: 'stream', events: reported(await way.streamChat(upstream), call) };
  }
  if (way.createChat === undefined) throw lacking(provider, 'chat completions');
  const response = await way.createChat(upstream);
  identify(response, call);
  response.callReport = call.report;
  return { kind: 'unary', response };
}

async function embeddings(call: EmbeddingsCall, provider: Provider): Promise<Reply> {
  if (provider.createEmbeddings === undefined) throw lacking(provider, 'embeddings');
  const response = await provider.createEmbeddings(upstreamCall(call, call.request));
  checkEmbeddings(response, call.request, provider.name);
  if (response.model === '') response.model = call.request.model;
  response.callReport = call.report;
  return { kind: 'embeddings', response };
}

/** The call as its provider gets it. */
function upstreamCall<Request>(call: Call, request: Request): ProviderCall<Request> {
  const { upstreamModel, timeouts } = call.route as Route;
  return {
    request,
    upstreamModel,
    requestId: call.id,
    tenant: call.principal.tenant,
    signal: call.signal,
    timeouts,
    trace: call.upstreamTrace,
    warn: (warnings) => void call.report.warnings.push(...warnings),
  };
}

const lacking = (provider: Provider, what: string): GatewayError =>
  new GatewayError(ErrorReason.MODEL_NOT_SUPPORTED, `provider ${provider.name} has no ${what}`, {
    field: 'model',
    provider: provider.name,
  });

/** Fills in what the provider left out of an answer's identity. */
function identify(answer: { id: string; model: string; createdAt: number }, call: ChatCall): void {
  if (answer.id === '') answer.id = `chatcmpl-${call.id}`;
  if (answer.model === '') answer.model = call.request.model;
  if (answer.createdAt === 0) answer.createdAt = Math.floor(Date.now() / 1000);
}

/** Puts the call's report on the first and the last event. */
function reported(events: EventStream, call: ChatCall): EventStream {
  return tapEvents(events, {
    events(batch) {
      const first = batch[0]?.event;
      if (first?.case === 'started') {
        identify(first.value, call);
        first.value.callReport = call.report;
      }
      const last = batch[batch.length - 1]?.event;
      if (last?.case === 'finished') last.value.callReport = call.report;
    },
  });
}
