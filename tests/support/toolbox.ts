import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import * as build from '../../src/model/build.ts';
import type { Tool, ToolContext, ToolOutcome } from '../../src/tools/tool.ts';
import type { Toolbox } from '../../src/tools/toolbox.ts';

type Args = Readonly<Record<string, unknown>>;

/** A run of a tool, as the tool saw it. */
export interface Run {
  readonly tool: string;
  readonly args: Args;
  readonly context: ToolContext;
}

export interface TestToolbox extends Toolbox {
  /** Runs so far. */
  readonly runs: Run[];
  /** Ends a run of `wait`. */
  finish(json: string): void;
  /** Runs of `wait` that have not ended. */
  readonly waiting: number;
}

const schema = (properties: Record<string, { type: string }>, required = Object.keys(properties)): string =>
  JSON.stringify({ type: 'object', properties, required });

/** Tools of which every behaviour is known, and the least that a toolbox does: it checks required arguments and their types. */
export function testToolbox(): TestToolbox {
  const runs: Run[] = [];
  const held: ((json: string) => void)[] = [];
  const tool = (
    name: string,
    parametersJson: string,
    run: (args: Args, context: ToolContext) => ToolOutcome | Promise<ToolOutcome>,
  ): Tool => ({
    name,
    description: `does ${name}`,
    parametersJson,
    source: ToolSource.BUILT_IN,
    async run(args, context) {
      runs.push({ tool: name, args, context });
      return run(args, context);
    },
  });
  const result = (value: unknown): ToolOutcome => ({ kind: 'result', json: JSON.stringify(value) });
  const tools: readonly Tool[] = [
    tool('add', schema({ a: { type: 'number' }, b: { type: 'number' } }), ({ a, b }) =>
      result({ sum: (a as number) + (b as number) }),
    ),
    tool('echo', schema({ message: { type: 'string' } }), ({ message }) => result({ echoed: message })),
    tool('everything__b', schema({}), () => result({ b: true })),
    tool('everything__a', schema({}), () => result({ a: true })),
    tool('fail', schema({}), () => ({ kind: 'error', message: 'the disk is full' })),
    tool('late', schema({}), () => ({ kind: 'error', message: 'Tool execution timeout after 30.0s' })),
    tool('picture', schema({}), () => ({
      kind: 'result',
      json: '{}',
      parts: [build.textPart('a dot'), build.part({ case: 'image', value: dot })],
    })),
    tool(
      'wait',
      schema({}),
      (_args, { signal }) =>
        new Promise((resolve, reject) => {
          const finish = (json: string): void => resolve({ kind: 'result', json });
          held.push(finish);
          const stop = (): void => {
            held.splice(held.indexOf(finish), 1);
            reject(signal.reason);
          };
          signal.addEventListener('abort', stop, { once: true });
        }),
    ),
  ];
  return {
    runs,
    get waiting() {
      return held.length;
    },
    finish: (json) => held.shift()?.(json),
    list: () => Promise.resolve(tools),
    find: (_tenant, name) => Promise.resolve(tools.find((one) => one.name === name) ?? null),
    run(one, argumentsJson, context) {
      const args = JSON.parse(argumentsJson) as Args;
      const { properties, required } = JSON.parse(one.parametersJson);
      for (const field of required) {
        if (!(field in args)) {
          const message = `Missing required argument: ${field}`;
          return Promise.resolve({ kind: 'bad_arguments', message, field });
        }
        const [expected, got] = [properties[field].type, typeof args[field]];
        if (expected !== got) {
          const message = `Invalid type for '${field}': expected ${expected}, got ${got}`;
          return Promise.resolve({ kind: 'bad_arguments', message, field });
        }
      }
      return one.run(args, context);
    },
  };
}

const dot = build.image({
  case: 'url',
  value:
    'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
});
