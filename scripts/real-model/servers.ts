// Starts llama-server and the gateway on loopback.
import path from 'node:path';
import { cache, type ModelFiles, root } from './download.ts';
import { freePort, type Service, startService } from './processes.ts';

/** Name under which llama-server offers the weights. */
export const upstreamModel = 'smollm2-135m-instruct';

const logFolder = path.join(cache, 'logs');

/** llama-server with the weights, on the processor alone. */
export async function startLlamaServer(files: ModelFiles): Promise<Service> {
  const port = await freePort();
  const args = [
    '--model',
    files.weights,
    '--alias',
    upstreamModel,
    '--host',
    '127.0.0.1',
    '--port',
    `${port}`,
  ];
  args.push('--jinja', '--ctx-size', '2048', '--threads', '2', '--parallel', '1', '--device', 'none');
  args.push('--metrics', '--offline', '--no-ui');
  // A prompt that is computed in other pieces gives slightly other numbers, and then other words. Without a cache the
  // same conversation gives the same answer, so answers can be compared.
  args.push('--no-cache-prompt', '--cache-ram', '0');
  return startService({
    name: 'llama-server',
    command: files.server,
    args,
    port,
    healthPath: '/health',
    logFolder,
    cwd: root,
    env: process.env,
    timeoutMs: 120_000,
  });
}

/** The gateway as its users start it, with llama-server as the only provider it is told of. */
export async function startGateway(llama: Service): Promise<Service> {
  const port = await freePort();
  return startService({
    name: 'gateway',
    command: process.execPath,
    args: ['src/main.ts'],
    port,
    healthPath: '/health/live',
    logFolder,
    cwd: root,
    // Not the caller's environment: keys, limits or stores that are set there would change what is tested.
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      LLM_GATEWAY_HOST: '127.0.0.1',
      LLM_GATEWAY_PORT: `${port}`,
      LLM_GATEWAY_DATA_DIR: path.join(cache, 'data'),
      LLM_GATEWAY_LLAMACPP_BASE_URL: `${llama.url}/v1`,
    },
    timeoutMs: 30_000,
  });
}

/** How many tokens llama-server has made since its start, by its own count. */
export async function tokensPredicted(llama: Service): Promise<number> {
  const response = await fetch(`${llama.url}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const line = /^llamacpp:tokens_predicted_total (\S+)$/m.exec(await response.text());
  if (!line) throw new Error('llama-server does not tell llamacpp:tokens_predicted_total');
  return Number(line[1]);
}
