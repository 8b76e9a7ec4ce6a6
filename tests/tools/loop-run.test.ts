import { expect, test } from 'vitest';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import * as build from '../../src/model/build.ts';
import { type CallRunner, runCalls } from '../../src/tools/loop-run.ts';
import type { Tool, ToolOutcome } from '../../src/tools/tool.ts';

const noRun = (): Promise<ToolOutcome> => Promise.reject(new Error('not by itself'));
const tool: Tool = {
  name: 'f',
  description: '',
  parametersJson: '{}',
  source: ToolSource.BUILT_IN,
  run: noRun,
};
const done: ToolOutcome = { kind: 'result', json: '1' };

function runner(
  run: (argumentsJson: string) => Promise<ToolOutcome>,
  more: Partial<CallRunner> = {},
  signal = new AbortController().signal,
): CallRunner {
  return {
    toolbox: {
      list: () => Promise.resolve([tool]),
      find: () => Promise.resolve(tool),
      run: (_tool, argumentsJson) => run(argumentsJson),
    },
    enabled: new Map([['f', tool]]),
    context: { tenant: '', requestId: 'r', signal },
    withDefaults: (_name, args) => args,
    onFault: () => {},
    ...more,
  };
}
const calls = (count: number, args = '{}') =>
  Array.from({ length: count }, (_, i) => build.toolCall(`c${i}`, 'f', args));
const textOf = ({ parts: [part] }: Message): unknown =>
  part?.content.case === 'toolResult' && part.content.value.parts[0]?.content.value;

test('a bounded number of calls run at once; the results come in the order of the calls', async () => {
  let running = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  const result = runCalls(
    calls(100),
    runner(async (text) => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        // The latest first, so that they end in another order than they began.
        setImmediate(() => waiting.pop()?.());
      });
      running--;
      return { kind: 'result', json: text };
    }),
  );
  const ids = (await result).map(({ parts: [part] }) =>
    part?.content.case === 'toolResult' ? part.content.value.toolCallId : '',
  );
  expect(ids).toEqual(calls(100).map(({ id }) => id));
  expect(most).toBe(32);
});

test('a tool that does not heed the signal does not hold up the call, and no further one begins', async () => {
  const stop = new AbortController();
  let runs = 0;
  const result = runCalls(
    calls(40),
    runner(
      () => {
        runs++;
        return new Promise(() => {});
      },
      {},
      stop.signal,
    ),
  );
  stop.abort(new Error('left'));
  await expect(result).rejects.toThrow('left');
  expect(runs).toBe(32);
  const late = runCalls(
    calls(1),
    runner(() => Promise.resolve(done), {}, stop.signal),
  );
  await expect(late).rejects.toThrow('left');
});

test('arguments stay as the model wrote them, unless they cannot be read or defaults are added', async () => {
  const seen: string[] = [];
  const run = (text: string) => {
    seen.push(text);
    return Promise.resolve(done);
  };
  for (const args of ['{ "a" : 1e400 }', '', 'x', '[1]', 'null']) await runCalls(calls(1, args), runner(run));
  expect(seen).toEqual(['{ "a" : 1e400 }', '{}', '{}', '{}', '{}']);
  const withDefaults: CallRunner['withDefaults'] = (name, args) => ({ taxonomy: name, ...args });
  await runCalls(calls(1, '{ "a": 1 }'), runner(run, { withDefaults }));
  expect(seen.at(-1)).toBe('{"taxonomy":"f","a":1}');
});

test('a fault of the toolbox is told to the operator, and the model gets no word of it', async () => {
  const faults: unknown[] = [];
  const onFault = (name: string, error: unknown) => void faults.push(name, (error as Error).message);
  const [result] = await runCalls(
    calls(1),
    runner(() => Promise.reject(new Error('a secret')), { onFault }),
  );
  expect(faults).toEqual(['f', 'a secret']);
  expect(textOf(result as Message)).toMatchObject({ text: 'Tool execution failed: internal error' });
});

test.each([
  ['Division by zero', 'Tool execution failed: Division by zero'],
  ['Tool execution failed: HTTP 503', 'Tool execution failed: HTTP 503'],
  ['Tool execution timeout after 30.0s', 'Tool execution timeout after 30.0s'],
])('a model is told once that a tool failed: %s', async (message, text) => {
  const [result] = await runCalls(
    calls(1),
    runner(() => Promise.resolve({ kind: 'error', message })),
  );
  expect(textOf(result as Message)).toMatchObject({ text });
});
