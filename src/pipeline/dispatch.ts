import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { type EventStream, tapEvents } from '../model/events.ts';
import type { Provider, ProviderCall } from '../providers/provider.ts';
import type { Call, Handler, Reply } from './call.ts';
import type { Route } from './route.ts';

/** Asks the provider of the call's route: the last handler of every pipeline. */
export const dispatch: Handler = async (call): Promise<Reply> => {
  const route = call.route as Route;
  const { provider } = route;
  const { report } = call;
  report.provider = provider.name;
  report.upstreamModel = route.upstreamModel;
  report.attempts++;
  const upstream: ProviderCall = {
    request: call.request,
    upstreamModel: route.upstreamModel,
    requestId: call.id,
    signal: call.signal,
    timeouts: route.timeouts,
    warn: (warnings) => void report.warnings.push(...warnings),
  };
  if (call.stream) {
    if (provider.streamChat === undefined) throw lacking(provider, 'streamed chat completions');
    return { kind: 'stream', events: reported(await provider.streamChat(upstream), call) };
  }
  if (provider.createChat === undefined) throw lacking(provider, 'chat completions');
  const response = await provider.createChat(upstream);
  identify(response, call);
  response.callReport = report;
  return { kind: 'unary', response };
};

const lacking = (provider: Provider, what: string): GatewayError =>
  new GatewayError(ErrorReason.MODEL_NOT_SUPPORTED, `provider ${provider.name} has no ${what}`, {
    field: 'model',
    provider: provider.name,
  });

/** Fills in what the provider left out of an answer's identity. */
function identify(answer: { id: string; model: string; createdAt: number }, call: Call): void {
  if (answer.id === '') answer.id = `chatcmpl-${call.id}`;
  if (answer.model === '') answer.model = call.request.model;
  if (answer.createdAt === 0) answer.createdAt = Math.floor(Date.now() / 1000);
}

/** Puts the call's report on the first and the last event. */
function reported(events: EventStream, call: Call): EventStream {
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
