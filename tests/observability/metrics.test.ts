import { describe, expect, test } from 'vitest';
import { expose, Families, maxLabelValues } from '../../src/observability/families.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import { lint, parseScrape } from '../support/prometheus.ts';

const text = async (metrics: Metrics, open = false): Promise<string> =>
  (await expose([await metrics.counted()], open)).body;
const ours = (known = (_provider: string, _model: string): boolean => true) =>
  new Metrics({ isKnown: known });
const call = {
  provider: 'openai',
  model: 'gpt-4o',
  operation: 'chat',
  face: 'openai.chat',
  status: 'success',
  seconds: 0.3,
  firstSeconds: 0.1,
  completionTokens: 11,
} as const;
const used = { prompt: 10, completion: 4, cached: 3, cacheWrite: 2, reasoning: 1, cost: 0.002 };

/** Something of everything. */
function busy(metrics: Metrics): void {
  metrics.requestBegan('POST');
  metrics.requestEnded('POST', '/v1/chat/completions', 200, 0.3, 512);
  metrics.callBegan('chat');
  metrics.callEnded(call);
  metrics.callBegan('chat');
  metrics.callEnded({ ...call, status: 'upstream_timeout', firstSeconds: null });
  metrics.attemptEnded({ ...call, error: '' });
  metrics.attemptEnded({ ...call, error: 'upstream_failed' });
  metrics.tokensUsed(call, used);
  metrics.breakerChanged('openai/gpt-4o', 'half-open', 'open');
  metrics.retried('openai', 'upstream_failed');
  metrics.fellBack('gpt-4o', 'claude');
  metrics.fallbackAnswered('gpt-4o', 'claude');
  metrics.hedged('openai');
  metrics.toolRan('search_corpus', 'ok', 0.02);
  metrics.cacheAsked('hit');
  metrics.limited('requests', 'key');
  metrics.storeAsked('redis', 'ok', 0.001);
  metrics.spansSent(3, true);
  metrics.screened('route', 'plain');
  metrics.audited('written', 2);
  metrics.auditFailed();
  metrics.auditForwarded('sent', 2);
}

describe('a scrape', () => {
  test('is of the form, with names and buckets as Prometheus wants them', async () => {
    const metrics = new Metrics({ isKnown: () => true, process: true });
    busy(metrics);
    const families = parseScrape(await text(metrics));
    expect(lint(families)).toEqual([]);
    expect(families.map(({ name }) => name)).toContain('nodejs_eventloop_lag_p99_seconds');
    for (const { name } of metrics.facts()) {
      expect(families.find((family) => family.name === name)?.samples.length, name).toBeGreaterThan(0);
    }
  });

  test('is OpenMetrics for who asks for it, and the same numbers', async () => {
    const metrics = ours();
    busy(metrics);
    const before = await text(metrics);
    const { contentType, body } = await expose([await metrics.counted()], true);
    expect(contentType).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
    expect(body.endsWith('# EOF\n')).toBe(true);
    const samples = (given: string) => parseScrape(given).flatMap((family) => family.samples);
    expect(samples(body)).toEqual(samples(before));
    expect(await text(metrics)).toBe(before);
  });

  test('is that of all processes together', async () => {
    const [one, other] = [ours(), ours()];
    busy(one);
    busy(other);
    for (const metrics of [one, other])
      metrics.families.read({ name: 'worst', help: 'w', labels: [] }, () => [[[], 3]], 'max');
    const processes = structuredClone([await one.counted(), await other.counted()]);
    for (const open of [false, true]) {
      const { body } = await expose(processes, open);
      const families = parseScrape(body);
      if (!open) expect(lint(families)).toEqual([]);
      const alone = parseScrape((await expose([await one.counted()], open)).body);
      expect(families.map(({ name }) => name).sort()).toEqual(alone.map(({ name }) => name).sort());
      for (const { name, samples } of families) {
        const single = alone.find((family) => family.name === name)?.samples ?? [];
        const factor = name === 'worst' ? 1 : 2;
        const doubled = single.map((sample) => ({ ...sample, value: sample.value * factor }));
        expect(samples, name).toEqual(doubled);
      }
    }
  });

  test('tells what was counted', async () => {
    const metrics = ours();
    busy(metrics);
    const lines = (await text(metrics)).split('\n');
    for (const line of [
      'llm_gateway_requests_total{method="POST",path="/v1/chat/completions",status="200"} 1',
      'llm_gateway_requests_in_progress{method="POST"} 0',
      'llm_request_total{provider="openai",model="gpt-4o",status="timeout"} 1',
      'llm_requests_total{backend="openai",model="gpt-4o",status="success"} 1',
      'llm_request_duration_seconds_bucket{backend="openai",model="gpt-4o",le="0.25"} 0',
      'llm_request_duration_seconds_bucket{backend="openai",model="gpt-4o",le="0.5"} 2',
      'llm_errors_total{provider="openai",model="gpt-4o",error_type="upstream_timeout"} 1',
      'llm_tokens_total{provider="openai",model="gpt-4o",type="prompt"} 10',
      'llm_gateway_token_details_total{provider="openai",model="gpt-4o",type="cached"} 3',
      'llm_gateway_request_cost_dollars_sum{provider="openai",model="gpt-4o"} 0.002',
      'llm_gateway_circuit_breaker_state_transitions_total{circuit_name="openai/gpt-4o",to_state="open",from_state="half_open"} 1',
      'gen_ai_server_time_to_first_token_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o"} 1',
      'gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o",error_type="upstream_failed"} 1',
      'llm_cache_hits_total 1',
    ])
      expect(lines).toContain(line);
    const each = lines.find((line) => line.startsWith('gen_ai_server_time_per_output_token_seconds_sum'));
    expect(Number(each?.split(' ').at(-1))).toBeCloseTo(0.02, 9);
  });
});

describe('labels', () => {
  test('have no names of clients’ making', async () => {
    const metrics = ours((_provider, model) => model === 'gpt-4o');
    for (let i = 0; i < 5_000; i++) {
      metrics.callBegan('chat');
      metrics.callEnded({ ...call, model: `made-up-${i}` });
      metrics.fellBack(`made-up-${i}`, 'gpt-4o');
    }
    const body = await text(metrics);
    expect(body).not.toContain('made-up');
    expect(body).toContain('llm_request_total{provider="openai",model="other",status="success"} 5000');
  });

  test('tell 200 values apart, whatever comes', async () => {
    const metrics = ours();
    for (let i = 0; i < 1_000; i++) metrics.toolRan(`tool-${i}`, 'ok', 0.1);
    const tools = parseScrape(await text(metrics)).find(
      ({ name }) => name === 'llm_gateway_tool_calls_total',
    );
    expect(tools?.samples).toHaveLength(maxLabelValues + 1);
    expect(tools?.samples.find(({ labels }) => labels['tool'] === 'other')?.value).toBe(
      1_000 - maxLabelValues,
    );
  });

  test('are escaped', async () => {
    const families = new Families();
    families.counter('odd_total', 'Odd.', ['what'])('a"b\\c\nd').value++;
    const metrics = ours();
    metrics.toolRan('a"b\\c\nd', 'ok', 1);
    const tools = parseScrape(await text(metrics)).find(
      ({ name }) => name === 'llm_gateway_tool_calls_total',
    );
    expect(tools?.samples[0]?.labels['tool']).toBe('a\\"b\\\\c\\nd');
  });

  test('of unknown methods are one', async () => {
    const metrics = ours();
    for (const method of ['BREW', 'X', 'GET']) {
      metrics.requestBegan(method);
      metrics.requestEnded(method, 'other', 404, 0, null);
    }
    expect(await text(metrics)).toContain(
      'llm_gateway_requests_total{method="other",path="other",status="404"} 2',
    );
  });
});

test('a name is given once', () => {
  const families = new Families();
  families.counter('a_total', 'A.');
  expect(() => families.gauge('a_total', 'B.')).toThrow('there is a metric a_total already');
});

test('what has the same labels in a reading is joined', async () => {
  const metrics = ours();
  metrics.families.read(
    { name: 'worst', help: 'W.', labels: ['a'] },
    () => [
      [['x'], 1],
      [['x'], 2],
      [['y'], 0],
    ],
    'max',
  );
  expect(await text(metrics)).toMatch(/worst\{a="x"\} 2\nworst\{a="y"\} 0/);
});

test('all of a call costs a few microseconds', () => {
  const metrics = ours();
  const all = (): void => {
    metrics.requestBegan('POST');
    metrics.callBegan('chat');
    metrics.attemptEnded({ ...call, error: '' });
    metrics.tokensUsed(call, used);
    metrics.callEnded(call);
    metrics.requestEnded('POST', '/v1/chat/completions', 200, 0.3, 512);
  };
  for (let i = 0; i < 20_000; i++) all();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round++) {
    const began = performance.now();
    for (let i = 0; i < 5_000; i++) all();
    best = Math.min(best, (performance.now() - began) / 5);
  }
  // Microseconds for one call: 5,000 of them in milliseconds, by 5.
  expect(best).toBeLessThan(5);
});
