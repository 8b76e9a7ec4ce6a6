import * as build from '../model/build.ts';
import { type Call, pipeline, type Reply, type Stage } from './call.ts';

const nothing: Promise<Reply> = Promise.resolve({
  kind: 'count',
  count: { tokens: 0, estimated: true, method: '' },
});

/**
 * Refuses at once what the first route will refuse, where otherwise something would be done before: tools that the client has approved
 * would have run, a session would have been waited for.
 * @param checks stages that refuse; what else they do is for nothing
 */
export function preflightStage(checks: readonly Stage[]): Stage {
  const check = pipeline(checks, () => nothing);
  return (next) => (call) => {
    if (!hasEffects(call)) return next(call);
    return check({ ...call, report: build.callReport('', '') }).then(() => next(call));
  };
}

function hasEffects(call: Call): boolean {
  const options = call.kind === 'chat' ? call.request.options : undefined;
  return options !== undefined && (options.sessionId !== '' || options.approvedToolCalls.length > 0);
}
