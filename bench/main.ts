// The benchmark: one command, one report. See README.md.

import { mkdir, writeFile } from 'node:fs/promises';
import { Bench } from './lib/bench.ts';
import { type Options, parseOptions, USAGE, wants } from './lib/options.ts';
import { renderReport } from './lib/report.ts';
import type { Results } from './lib/results.ts';
import { failed, judge } from './lib/targets.ts';
import { runControls } from './suites/controls.ts';
import { runLatency } from './suites/latency.ts';
import { runMemory } from './suites/memory.ts';
import { runRest } from './suites/rest.ts';
import { runRpc } from './suites/rpc.ts';
import { runTranslated } from './suites/translated.ts';
import { installPortkey } from './systems/portkey.ts';

/** Time beyond the budget after which something hangs, in seconds. */
const OVERRUN = 60;

const log = (line: string): void => console.error(line);

async function main(options: Options): Promise<number> {
  // Not on the clock of the budget: it happens once. Its failure is reported by the suites that miss the peer.
  if (['rest', 'latency', 'memory'].some((suite) => wants(options, suite))) await installPortkey(log);
  const started = performance.now();
  const watchdog = setTimeout(
    () => {
      log('the benchmark hangs; giving up');
      process.exit(2);
    },
    (options.budget + OVERRUN) * 1000,
  );
  const bench = new Bench(options, log);
  try {
    await bench.start();
    const results = await runSuites(bench);
    const verdicts = judge(results.cases);
    const report = renderReport(results, verdicts, options, (performance.now() - started) / 1000);
    await save('report.md', report);
    await save('results.json', JSON.stringify(results));
    console.log(report);
    return options.check && failed(verdicts, results.cases) ? 1 : 0;
  } finally {
    clearTimeout(watchdog);
    await bench.stop();
  }
}

async function runSuites(bench: Bench): Promise<Results> {
  const { options } = bench;
  // The targets first, for the case that time runs out.
  const results: Results = { cases: [], latency: [], memory: undefined, notes: [] };
  if (wants(options, 'rest')) results.cases.push(...(await runRest(bench)));
  if (wants(options, 'translated')) results.cases.push(...(await runTranslated(bench)));
  if (wants(options, 'controls')) results.cases.push(...(await runControls(bench)));
  if (wants(options, 'rpc')) results.cases.push(...(await runRpc(bench)));
  if (wants(options, 'latency')) results.latency = await runLatency(bench);
  if (wants(options, 'memory')) results.memory = await runMemory(bench);
  results.notes = bench.notes;
  return results;
}

async function save(name: string, text: string): Promise<void> {
  const folder = new URL('./results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  await writeFile(new URL(name, folder), text);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

try {
  const options = parseOptions(process.argv.slice(2));
  if (options) process.exitCode = await main(options);
  else console.log(USAGE);
} catch (error) {
  log((error as Error).message);
  process.exitCode = 2;
}
