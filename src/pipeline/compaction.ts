import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { compactionOf } from '../model/compaction.ts';
import { completionEvents } from '../model/completion-events.ts';
import { summaryRequest } from '../responses/summary.ts';
import type { ChatCall, Handler, Reply, Stage, UnaryReply } from './call.ts';
import { type Route, wayOf } from './route.ts';

/**
 * Compacts the conversation of calls that ask for that, where their providers do not: the model writes a summary, and the answer is one
 * part that stands for the conversation.
 */
export const compactionStage: Stage = (next) => (call) => {
  if (call.kind !== 'chat' || call.compacts !== true) return next(call);
  const way = wayOf(call, (call.route as Route).provider);
  return 'compact' in way && way.compact !== undefined ? next(call) : compact(call, next);
};

async function compact(call: ChatCall, next: Handler): Promise<Reply> {
  const { provider, upstreamModel } = call.route as Route;
  const bounded = !wayOf(call, provider).unsupported(upstreamModel).has('max_tokens');
  const { tools: _, ...rest } = call;
  const reply = await next({ ...rest, stream: false, request: summaryRequest(call.request, bounded) });
  if (reply.kind !== 'unary') throw new Error('a unary call was not answered with a completion');
  const { response } = compacted(call, reply, provider.name);
  return call.stream ? { kind: 'stream', events: completionEvents(response) } : { kind: 'unary', response };
}

/** @throws GatewayError UPSTREAM_INVALID when the model said nothing */
function compacted(call: ChatCall, { response }: UnaryReply, provider: string): UnaryReply {
  const [choice] = response.choices;
  let summary = '';
  for (const { content } of choice?.message?.parts ?? []) {
    if (content.case === 'text') summary += content.value.text;
  }
  if (summary.trim() === '') {
    throw new GatewayError(ErrorReason.UPSTREAM_INVALID, `provider ${provider} gave no summary`, {
      provider,
    });
  }
  if (choice?.finishReason === FinishReason.LENGTH) {
    const explanation = 'the summary of the conversation was cut off';
    call.report.warnings.push(build.warning('incomplete_summary', explanation, 'input'));
  }
  const message = build.message(Role.ASSISTANT, [
    build.part({ case: 'opaque', value: compactionOf(summary.trim()) }),
  ]);
  return { kind: 'unary', response: { ...response, choices: [build.choice(0, message, FinishReason.STOP)] } };
}
