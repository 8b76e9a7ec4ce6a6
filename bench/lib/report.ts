// The report, in Markdown.

import os from 'node:os';
import type { Options } from './options.ts';
import type { CaseResult, LatencyResult, MemoryResult, Results } from './results.ts';
import { type Interval, median, quantile } from './statistics.ts';
import { ratioOf, type Verdict } from './targets.ts';

export function renderReport(
  results: Results,
  verdicts: readonly Verdict[],
  options: Options,
  seconds: number,
): string {
  const sections = [
    `# Benchmark\n\n${environment(options, seconds)}`,
    verdicts.length > 0 ? `## Targets\n\n${targets(verdicts)}` : '',
    results.cases.length > 0 ? `## CPU time\n\n${CPU_NOTE}` : '',
    ...results.cases.map(cpu),
    results.latency.length > 0 ? `## First-byte latency\n\n${LATENCY_NOTE}` : '',
    ...results.latency.map(latency),
    results.memory ? `## Memory of an open stream\n\n${memory(results.memory)}` : '',
    results.notes.length > 0
      ? `## Notes\n\n${results.notes.map((note) => `- ${oneLine(note)}`).join('\n')}`
      : '',
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

const CPU_NOTE =
  'User and system time of the measured process, all threads, at the same rate for all systems of a case unless it says ' +
  'otherwise. Median of the rounds, in brackets the least and the most. Ratios are medians over rounds that ran next to ' +
  'each other, with their 95 % bootstrap interval.';
const LATENCY_NOTE =
  'One call at a time, systems in turn. “Added” is against the same call sent straight to the upstream.';

function environment(options: Options, seconds: number): string {
  const cpu = os.cpus()[0]?.model.trim() ?? 'unknown processor';
  return [
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, Node ${process.version}`,
    `${os.platform()} ${os.arch()}, ${os.cpus().length} × ${cpu}`,
    `${options.starts} start${options.starts > 1 ? 's' : ''} × ${options.rounds} rounds`,
    `${Math.round(seconds)} s${options.quick ? ', --quick' : ''}`,
  ].join('; ');
}

function targets(verdicts: readonly Verdict[]): string {
  return table(
    ['the gateway', 'beside', 'at most', 'measured', 'verdict'],
    verdicts.map(({ target, ratio, state }) => [
      target.title,
      target.reference,
      times(target.limit),
      ratio ? interval(ratio) : '–',
      state,
    ]),
  );
}

function cpu(result: CaseResult): string {
  const rows = result.rows.map((row) => {
    const values = row.values.filter((value) => Number.isFinite(value));
    if (values.length === 0) return [row.system, 'not measured', '–', '–'];
    const ratio = row.system === result.reference ? undefined : ratioOf(result, row.system, result.reference);
    const range = `${micro(Math.min(...values))}–${micro(Math.max(...values))}`;
    const rates = row.rates.filter((rate) => Number.isFinite(rate));
    return [
      row.system,
      `${micro(median(values))} (${range})`,
      Math.round(median(rates)).toLocaleString('en'),
      ratio ? interval(ratio) : row.system === result.reference ? '1' : '–',
    ];
  });
  const header = ['system', `CPU µs per ${result.unit}`, `most ${result.unit}s/s`, `× ${result.reference}`];
  return `### ${result.title}\n\n${table(header, rows)}`;
}

function latency(result: LatencyResult): string {
  const direct = result.rows.find((row) => row.system === 'direct')?.samples ?? [];
  const rows = result.rows.map(({ system, samples }) => [
    system,
    ...[0.5, 0.99].map((q) => ms(quantile(samples, q))),
    ...[0.5, 0.99].map((q) => (system === 'direct' ? '' : ms(quantile(samples, q) - quantile(direct, q)))),
  ]);
  const header = ['system', 'p50 ms', 'p99 ms', 'added p50', 'added p99'];
  return `### ${result.title}\n\n${table(header, rows)}`;
}

function memory(result: MemoryResult): string {
  const rows = result.rows.map((row) => [row.system, String(row.streams), kib(row.rss), kib(row.used)]);
  const note = 'Growth by streams held open, a chunk every 500 ms in each; after garbage collection.';
  const header = ['system', 'streams', 'resident KiB/stream', 'heap and buffers KiB/stream'];
  return `${note}\n\n${table(header, rows)}`;
}

/** The first column to the left, all others to the right. */
export function table(header: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  const rule = line(header.map((_, i) => (i === 0 ? '---' : '--:')));
  return [line(header), rule, ...rows.map(line)].join('\n');
}

function interval({ estimate, low, high }: Interval): string {
  return `${times(estimate)} [${low.toFixed(2)}–${high.toFixed(2)}]`;
}

function times(value: number): string {
  return `${value.toFixed(2)}×`;
}

function micro(value: number): string {
  return value < 100 ? value.toFixed(1) : String(Math.round(value));
}

function ms(value: number): string {
  return value.toFixed(2);
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(1);
}

// Notes quote what systems wrote.
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 500);
}
