import type { Metrics } from '../observability/metrics.ts';
import { failed, isSampled, SpanKind, type Tracing, traceOf } from '../observability/tracing.ts';
import type { Tool } from '../tools/tool.ts';
import type { CheckedOutcome, Toolbox } from '../tools/toolbox.ts';

/**
 * A toolbox whose runs are counted, and have a span where their trace is recorded.
 * @param isOwn whether a tool is the configuration's: others have names of clients' making, which are no labels
 */
export function observedToolbox(
  toolbox: Toolbox,
  metrics: Metrics | null,
  tracing: Tracing | null,
  isOwn: (tool: Tool) => boolean,
): Toolbox {
  if (metrics === null && tracing === null) return toolbox;
  return {
    list: (tenant) => toolbox.list(tenant),
    find: (tenant, name) => toolbox.find(tenant, name),
    async run(tool, argumentsJson, context, strictness) {
      const began = performance.now();
      const span =
        tracing !== null && isSampled(context.trace)
          ? tracing.begin(`execute_tool ${tool.name}`, SpanKind.INTERNAL, context.trace, {
              'gen_ai.operation.name': 'execute_tool',
              'gen_ai.tool.name': tool.name,
              'gen_ai.tool.type': 'function',
            })
          : null;
      const inner = span === null ? context : { ...context, trace: traceOf(span) };
      let outcome = 'cancelled';
      try {
        const result: CheckedOutcome = await toolbox.run(tool, argumentsJson, inner, strictness);
        outcome = outcomes[result.kind];
        return result;
      } finally {
        metrics?.toolRan(
          isOwn(tool) ? tool.name : 'registered',
          outcome,
          (performance.now() - began) / 1_000,
        );
        if (span !== null) {
          if (outcome !== 'ok') failed(span, outcome);
          span.end();
        }
      }
    },
  };
}

const outcomes = { result: 'ok', error: 'failed', bad_arguments: 'bad_arguments' } as const;
