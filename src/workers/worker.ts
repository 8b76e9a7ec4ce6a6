import { type Config, loadConfig } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import type { Gateway, Prepared } from '../context/gateway.ts';
import { createGateway } from '../context.ts';
import { createLogger, type RootLogger } from '../observability/log.ts';
import { listen } from '../server/listen.ts';
import { Channel } from './channel.ts';
import { crewByChannel } from './crew.ts';
import { fromPrimary, type Listening, type Served, type Start, type Stopped, toPrimary } from './messages.ts';
import { shareOf } from './share.ts';
import { readerOf, type Snapshot } from './snapshot.ts';

// The process of one worker: it serves what the primary hands to it, and does what the primary says. Signals are the primary's to understand: a terminal and
// some supervisors send them to all processes at once.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

/** A channel that is full or gone is no reason to end: Node ends a worker whose primary is gone. */
const channel = new Channel((letter) => process.send!(letter, undefined, {}, () => {}));
process.on('message', (message: unknown) => channel.receive(message));

const mistakesOf = (error: unknown): string[] =>
  error instanceof ConfigError ? [...error.lines] : [error instanceof Error ? error.message : String(error)];

/** Set when it is told to serve. */
let started: Promise<{ gateway: Gateway; at: Served }> | null = null;

channel.answer(fromPrimary.start, async (start): Promise<Listening> => {
  try {
    started = serve(start as Start);
    return (await started).at;
  } catch (error) {
    return { mistakes: mistakesOf(error) };
  }
});
// From the beginning: the gateway may be told to end while this one starts.
channel.answer(fromPrimary.drain, async (): Promise<Stopped> => {
  const serving = await started?.catch(() => null);
  const stopped = (await serving?.gateway.drain()) ?? { destroyed: 0 };
  // After the answer is on its way.
  setImmediate(() => process.disconnect?.());
  process.once('disconnect', () => process.exit(0));
  return stopped;
});
channel.tell(toPrimary.up);

async function serve({ number, size, snapshot }: Start): Promise<{ gateway: Gateway; at: Served }> {
  const read = (from: Snapshot): Config =>
    shareOf(loadConfig({ env: process.env, readFile: readerOf(from) }), number, size);
  const config = read(snapshot);
  const { serviceName: service, logLevel: level, logModules: modules } = config;
  const log = createLogger({ service, level, modules, fields: { worker: number } });
  const crew = crewByChannel(channel, number, size);
  const gateway = createGateway(config, log, { crew, readFile: readerOf(snapshot) });
  const { address, port } = await listen(gateway.port, config);
  obey(gateway, log, read);
  return { gateway, at: { host: address, port } };
}

function obey(gateway: Gateway, log: RootLogger, read: (from: Snapshot) => Config): void {
  let ready: Prepared | null = null;
  const drop = (): void => {
    ready?.drop();
    ready = null;
  };
  channel.answer(fromPrimary.prepare, (snapshot): string[] => {
    drop();
    try {
      ready = gateway.prepare(read(snapshot as Snapshot), readerOf(snapshot as Snapshot));
      return [];
    } catch (error) {
      return mistakesOf(error);
    }
  });
  channel.answer(fromPrimary.drop, drop);
  channel.answer(fromPrimary.take, () => {
    ready?.take();
    ready = null;
    const { logLevel: level, logModules: modules } = gateway.config;
    log.setLevels({ level, modules });
  });
}
