import { describe, expect, it } from 'vitest';
import { parseOptions, wants } from '../../bench/lib/options.ts';
import { renderReport } from '../../bench/lib/report.ts';
import type { CaseResult } from '../../bench/lib/results.ts';
import { failed, judge } from '../../bench/lib/targets.ts';

const unary = (gateway: number[], portkey: number[], id = 'rest/unary'): CaseResult => ({
  id,
  title: 'Unary',
  unit: 'request',
  reference: 'floor',
  rows: [
    { system: 'floor', values: [40, 41, 42], rates: [1, 1, 1] },
    { system: 'gateway', values: gateway, rates: gateway },
    { system: 'portkey', values: portkey, rates: portkey },
  ],
});

describe('targets', () => {
  it('are met, or missed, by the ratio of the same rounds', () => {
    const withPeer = unary([60, 61, 62], [600, 610, 620], 'rest/peer');
    const good = [unary([60, 61, 62], []), withPeer];
    expect(judge(good).map(({ state }) => state)).toEqual(['met', 'met']);
    expect(failed(judge(good), good)).toBe(false);
    const bad = [unary([90, 91, 92], []), withPeer];
    expect(judge(bad).map(({ state }) => state)).toEqual(['missed', 'met']);
    expect(failed(judge(bad), bad)).toBe(true);
  });

  it('are no failure without the peer, and one without the gateway', () => {
    const noPeer = [unary([60, 61, 62], [], 'rest/peer')];
    expect(failed(judge(noPeer), noPeer)).toBe(false);
    const noGateway = [unary([Number.NaN, Number.NaN], [600, 610])];
    expect(failed(judge(noGateway), noGateway)).toBe(true);
  });
});

describe('report', () => {
  it('shows every measured system, the verdicts and the notes', () => {
    const cases = [unary([60, 61, 62], [])];
    const latency = [{ id: 'l', title: 'First', rows: [{ system: 'direct', samples: [1, 2] }] }];
    const memory = { rows: [{ system: 'floor', streams: 10, rss: 2048, used: 1024 }] };
    const report = renderReport(
      { cases, latency, memory, notes: ['portkey was\nnot measured'] },
      judge(cases),
      parseOptions(['--quick'])!,
      12,
    );
    expect(report).toContain('| floor | 41.0 (40.0–42.0) | 1 | 1 |');
    expect(report).toMatch(/\| REST, unary \| floor \| 1\.80× \| 1\.49× \[1\.48–1\.50\] \| met \|/);
    expect(report).toContain('| portkey | not measured | – | – |');
    expect(report).toContain('| floor | 10 | 2.0 | 1.0 |');
    expect(report).toContain('- portkey was not measured');
  });
});

describe('options', () => {
  it('choose suites and cases', () => {
    const options = parseOptions(['--only', 'rest/unary,memory', '--rounds', '7'])!;
    expect(options.rounds).toBe(7);
    expect(wants(options, 'rest')).toBe(true);
    expect(wants(options, 'rest/unary')).toBe(true);
    expect(wants(options, 'rest/burst')).toBe(false);
    expect(wants(options, 'memory')).toBe(true);
    expect(wants(options, 'rpc')).toBe(false);
    expect(wants(parseOptions([])!, 'rpc/grpc/unary')).toBe(true);
  });

  it('say what is wrong', () => {
    expect(() => parseOptions(['--only', 'speed'])).toThrow('--only speed');
    expect(() => parseOptions(['--rounds', '0'])).toThrow('--rounds 0');
    expect(() => parseOptions(['--fast'])).toThrow('--fast');
    expect(parseOptions(['--help'])).toBeUndefined();
  });
});
