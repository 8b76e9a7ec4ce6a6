import { type Config, loadConfig } from './config/load.ts';
import { ConfigError } from './config/problems.ts';
import { takeRestart } from './config/reload.ts';
import { watchConfig } from './config/watch.ts';
import { createGateway } from './context.ts';
import { createLogger, type RootLogger } from './observability/log.ts';
import { listen } from './server/listen.ts';

// The life of the process: read the configuration, build, listen; on SIGTERM drain and leave. With several workers this one only looks after them.

function start(): { config: Config; log: RootLogger } {
  const config = loadConfig({ env: process.env });
  const { serviceName: service, logLevel: level, logModules: modules } = config;
  const log = createLogger({ service, level, modules });
  for (const warning of config.warnings) log.warn(warning);
  return { config, log };
}

async function main(): Promise<void> {
  const { config, log } = start();
  if (config.workers > 1) {
    const { runPrimary } = await import('./workers/primary.ts');
    return runPrimary(config, log, process.env);
  }
  const gateway = createGateway(config, log);
  const address = await listen(gateway.port, config);
  log.info('listening', {
    host: address.address,
    port: address.port,
    tls: config.tlsCert !== '',
    version: config.version,
    config: config.file,
  });

  const watcher = watchConfig([config.file, config.modelsFile], () => {
    try {
      const next = loadConfig({ env: process.env });
      const late = takeRestart(gateway.config, next);
      if (late.length > 0) log.warn('some settings need a restart', { settings: late });
      gateway.reload(next);
      log.setLevels({ level: next.logLevel, modules: next.logModules });
      for (const warning of next.warnings) log.warn(warning);
      log.info('configuration reloaded');
    } catch (error) {
      log.error('the new configuration is wrong; the old one stays', {
        mistakes: error instanceof ConfigError ? error.lines : [String(error)],
      });
    }
  });

  const stop = async (signal: string): Promise<void> => {
    watcher.close();
    log.info('draining', { signal, in_flight: gateway.port.inFlight });
    const { destroyed } = await gateway.drain();
    log.info('stopped', { cut_off: destroyed });
    process.exit(0);
  };
  // A terminal's Ctrl-C comes twice when npm passes it on; the second must not cut the drain short.
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (!stopping) void stop(signal);
      stopping = true;
    });
  }
}

main().catch((error: unknown) => {
  const lines =
    error instanceof ConfigError ? error.lines : [error instanceof Error ? error.message : String(error)];
  for (const line of lines) process.stderr.write(`llm-gateway: ${line}\n`);
  process.exit(1);
});
