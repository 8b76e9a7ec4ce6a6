import { afterEach, describe, expect, test, vi } from 'vitest';
import { memberText, unwrap } from '../../../src/tools/builtin/unwrap.ts';
import { answer } from '../../support/services.ts';
import { type BenchOptions, startToolBench, type ToolBench } from './support.ts';

let bench: ToolBench;
const start = async (options?: BenchOptions): Promise<void> => {
  bench = await startToolBench(options);
};
afterEach(async () => {
  vi.useRealTimers();
  await bench.stop();
});

const json = async (tool: string, args: Record<string, unknown> = {}): Promise<unknown> => {
  const outcome = await bench.run(tool, { code: 'x', ...args });
  return outcome.kind === 'result' ? JSON.parse(outcome.json) : outcome;
};

const withoutAnswer = (error: string) =>
  [
    ['review_code', {}, { error, findings: [], summary: `Code review failed: ${error}`, score: 0 }],
    [
      'analyze_architecture',
      {},
      {
        error,
        analysis: { patterns: [], concerns: [], suggestions: [] },
        summary: `Architecture analysis failed: ${error}`,
      },
    ],
    ['generate_documentation', { format: 'rst' }, { error, documentation: '', format: 'rst', sections: [] }],
  ] as const;

describe('agents for code never fail: without an answer', () => {
  test('of a service that is not there', async () => {
    await start();
    bench.services.aiAgents.close();
    for (const [tool, args, result] of withoutAnswer('AI agents service unavailable')) {
      expect(await json(tool, args)).toEqual(result);
    }
  });

  test('of a service that fails', async () => {
    await start();
    bench.services.aiAgents.instead = (_asked, response) => answer(response, 503, {});
    for (const [tool, args, result] of withoutAnswer('AI agents returned error: 503')) {
      expect(await json(tool, args)).toEqual(result);
    }
  });

  test('of a service that is not asked for a while', async () => {
    await start({ env: { LLM_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1' } });
    bench.services.aiAgents.instead = (_asked, response) => answer(response, 500, {});
    await json('review_code');
    for (const [tool, args, result] of withoutAnswer('AI agents service unavailable')) {
      expect(await json(tool, args)).toEqual(result);
    }
    expect(bench.services.aiAgents.asked.length).toBe(1);
  });

  test('that is JSON', async () => {
    await start();
    bench.services.aiAgents.instead = (_asked, response) => answer(response, 200, 'done!');
    for (const [tool, args, result] of withoutAnswer('AI agents service error: its answer is not JSON')) {
      expect(await json(tool, args)).toEqual(result);
    }
  });

  test('within a minute', async () => {
    await start();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    bench.services.aiAgents.instead = () => {};
    for (const [tool, args, result] of withoutAnswer('AI agents service timeout')) {
      let settled = false;
      const run = json(tool, args).finally(() => {
        settled = true;
      });
      await bench.services.aiAgents.next();
      vi.advanceTimersByTime(59_999);
      await new Promise(setImmediate);
      expect(settled).toBe(false);
      vi.advanceTimersByTime(1);
      expect(await run).toEqual(result);
    }
  });
});

describe('the wrapper that some agents put around a result', () => {
  test('is taken off', async () => {
    await start({ wrapped: true });
    expect(await json('review_code')).toEqual({
      findings: [{ line: 1, severity: 'low', message: 'm' }],
      summary: 's',
      score: 91,
    });
    expect(await json('analyze_architecture')).toMatchObject({ summary: 's' });
    expect(await json('generate_documentation')).toMatchObject({ documentation: '# d', format: 'markdown' });
  });

  test('leaves the result as it is, byte for byte', async () => {
    await start();
    const result = '{ "score": 91.0, "summary":"\\u00fc \\"result\\": {}", "findings" :[ ] }';
    bench.services.aiAgents.instead = (_asked, response) =>
      answer(
        response,
        200,
        `{"message":"}","status" : "success", "result" : ${result} ,"x":[1,{"result":2}]}`,
      );
    expect(await bench.run('review_code', { code: 'x' })).toEqual({ kind: 'result', json: result });
  });
});

describe('taking off', () => {
  test.each([
    '{"findings":[],"summary":"s","score":1}',
    '{"status":"error","result":{},"message":"why"}',
    '{"status":"Failed","result":{}}',
    '{"status":"success","result":null}',
    '{"status":"success","result":"text"}',
    '{"status":1,"result":{}}',
    '{"result":{"status":"success"}}',
    '[{"status":"success","result":{}}]',
    '"text"',
    'null',
  ])('leaves alone %s', (text) => {
    expect(unwrap(text)).toBe(text);
  });

  test('a list', () => {
    expect(unwrap('{"status":"ok","result":[1, 2]}')).toBe('[1, 2]');
  });
});

test.each([
  ['{}', null],
  ['{"a":1}', null],
  ['{"r":1}', '1'],
  ['{"a":"r","r" : "x,y}" }', '"x,y}"'],
  ['{"r":{"r":[1,{"r":2}]},"a":"\\\\"}', '{"r":[1,{"r":2}]}'],
  ['{"\\u0072":true}', 'true'],
  ['{"r":1,"r":2}', '2'],
  ['{"a\\":":"\\"","r":[{},"]"]}', '[{},"]"]'],
  [`{"a":"${'\\\\'.repeat(1_000_000)}","r":"${'x'.repeat(4_000_000)}"}`, `"${'x'.repeat(4_000_000)}"`],
])('a member’s own text', (text, found) => {
  expect(memberText(text, 'r')).toBe(found);
});
