import cluster, { type Worker } from 'node:cluster';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import { takeRestart } from '../config/reload.ts';
import { watchConfig } from '../config/watch.ts';
import type { Counted } from '../observability/families.ts';
import type { RootLogger } from '../observability/log.ts';
import { fileSink } from '../observability/sink.ts';
import { Channel } from './channel.ts';
import { askMs, counts, type Forwarded, primaryDoes } from './crew.ts';
import { returnConnections } from './handover.ts';
import { KeptCounts } from './kept-counts.ts';
import { forwardLines } from './lines.ts';
import { fromPrimary, type Listening, type Served, type Start, type Stopped, toPrimary } from './messages.ts';
import { Restarts } from './restarts.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';

// The process that has workers: it takes connections and hands them on in turn, and sees to it that there are always as many workers. It serves nothing itself.

/** How long a worker may take from its beginning until it listens, in milliseconds. */
const startMs = 60_000;
/** How long workers may take to read a configuration, in milliseconds. */
const reloadMs = 30_000;
/** What a worker may take beyond the time for the drain, to say its last words and to free what it holds, in milliseconds. */
const endMs = 10_000;

interface Member {
  readonly number: number;
  readonly worker: Worker;
  readonly channel: Channel;
  /** Set when it is told to serve: from then on it may have connections. */
  started: boolean;
  /** Set when it listens. */
  serves: boolean;
  /** Of the configuration that it has. */
  version: number;
}

interface Recruit {
  readonly worker: Worker;
  readonly channel: Channel;
  /** Rejects when it ends before. */
  readonly up: Promise<void>;
  /** Set when it has a number. */
  member: Member | null;
}

/** Runs the gateway in several processes, until it is told to end. @throws ConfigError when the workers cannot be started */
export async function runPrimary(config: Config, log: RootLogger, env: NodeJS.ProcessEnv): Promise<void> {
  await new Primary(config, log, env).run();
}

class Primary {
  readonly #log: RootLogger;
  readonly #env: NodeJS.ProcessEnv;
  readonly #size: number;
  readonly #members = new Map<number, Member>();
  readonly #restarts = new Restarts();
  readonly #counts = new KeptCounts<Member>();
  readonly #output = fileSink({ fd: 1, lostLine: (lost) => this.#lostLine(lost) });
  #config: Config;
  #snapshot: Snapshot;
  #reloading: Promise<void> = Promise.resolve();
  /** A process in waiting: loading the program takes longer than a gap may last. */
  #spare: Recruit | null = null;
  #stopping = false;
  #watcher: { close(): void } | null = null;
  /** Until all serve for the first time; what goes wrong then ends the start. */
  #failStart: ((error: unknown) => void) | null = null;

  constructor({ workers }: Config, log: RootLogger, env: NodeJS.ProcessEnv) {
    this.#env = env;
    // Read once more, to keep what it is read from.
    const { config, snapshot } = takeSnapshot(1, env);
    this.#config = config;
    this.#snapshot = snapshot;
    this.#log = log;
    this.#size = workers;
  }

  async run(): Promise<void> {
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({
      exec: path.join(import.meta.dirname, 'worker.ts'),
      args: [],
      serialization: 'advanced',
      // Lines of several processes would be mixed where a reader is slow.
      silent: true,
    });
    process.once('exit', () => this.#output.flushSync());
    this.#stopOnSignals();
    const address = await this.#startAll();
    if (this.#stopping) return;
    this.#log.info('listening', {
      host: address.host,
      port: address.port,
      tls: this.#config.tlsCert !== '',
      version: this.#config.version,
      config: this.#config.file,
      workers: this.#size,
      worker_pids: this.#serving.map(({ worker }) => worker.process.pid),
    });
    this.#watcher = watchConfig([this.#config.file, this.#config.modelsFile], () => {
      this.#reloading = this.#reloading.then(() => this.#reload());
    });
  }

  async #startAll(): Promise<Served> {
    const failed = Promise.withResolvers<never>();
    this.#failStart = failed.reject;
    try {
      const numbers = Array.from({ length: this.#size }, (_, i) => i + 1);
      const all = Promise.all(numbers.map((number) => this.#start(number)));
      const [address] = await Promise.race([all, failed.promise]);
      this.#keepSpare();
      return address as Served;
    } catch (error) {
      // Told to end before it began, which is no failure.
      if (this.#stopping) return new Promise(() => {});
      this.#stopping = true;
      for (const { worker } of this.#members.values()) worker.process.kill('SIGKILL');
      throw error;
    } finally {
      this.#failStart = null;
    }
  }

  /** A process that has loaded the program and waits for what it is to do. */
  #recruit(): Recruit {
    const worker = cluster.fork();
    returnConnections(worker.process, () => this.#takenByOthers(worker));
    const channel = new Channel((letter) => void worker.send(letter as object, () => {}));
    const up = Promise.withResolvers<void>();
    const recruit: Recruit = { worker, channel, up: up.promise, member: null };
    // Whoever needs it hears of it; a spare one is nobody's trouble.
    up.promise.catch(() => {});
    worker.on('message', (message: unknown) => channel.receive(message));
    worker.on('error', () => {});
    if (worker.process.stdout !== null)
      forwardLines(worker.process.stdout, (text) => this.#output.write(text));
    worker.process.stderr?.on('data', (data: Buffer) => void process.stderr.write(data));
    const late = setTimeout(() => {
      up.reject(new Error(`it did not load within ${startMs} ms`));
      worker.process.kill('SIGKILL');
    }, startMs).unref();
    channel.answer(toPrimary.up, () => {
      clearTimeout(late);
      up.resolve();
    });
    channel.answer(primaryDoes.askAll, (forwarded) => {
      const asked = forwarded as Forwarded;
      return asked.name === counts ? this.#askCounts(asked) : this.#askAll(asked);
    });
    channel.answer(primaryDoes.tellOthers, (forwarded) => this.#tellOthers(worker, forwarded as Forwarded));
    worker.once('exit', (code, signal) => {
      clearTimeout(late);
      channel.close();
      up.reject(new Error(`it ended before it served (${signal ?? `exit code ${code}`})`));
      if (this.#spare === recruit) this.#spare = null;
      if (recruit.member !== null) this.#ended(recruit.member, code, signal);
    });
    return recruit;
  }

  #keepSpare(): void {
    if (this.#stopping || this.#spare !== null) return;
    this.#spare = this.#recruit();
    const { pid } = this.#spare.worker.process;
    this.#spare.up.then(
      () => this.#log.debug('a process is in waiting', { pid }),
      () => {},
    );
  }

  /** Has a worker serve under a number. @returns where it listens @throws ConfigError when it refuses its configuration or cannot listen */
  async #start(number: number): Promise<Served> {
    const recruit = this.#spare ?? this.#recruit();
    this.#spare = null;
    const { worker, channel, up } = recruit;
    const member: Member = { number, worker, channel, started: false, serves: false, version: 0 };
    recruit.member = member;
    this.#members.set(number, member);
    try {
      return await this.#serve(member, up);
    } catch (error) {
      // Its end, if it is still there, starts the next one.
      worker.process.kill('SIGKILL');
      throw error;
    }
  }

  async #serve(member: Member, up: Promise<void>): Promise<Served> {
    const { number, channel } = member;
    await up;
    if (this.#stopping) throw new Error('the gateway ends');
    member.started = true;
    member.version = this.#snapshot.version;
    const start: Start = { number, size: this.#size, snapshot: this.#snapshot };
    const listening = (await channel.ask(fromPrimary.start, start, startMs)) as Listening;
    if ('mistakes' in listening) throw new ConfigError(listening.mistakes);
    member.serves = true;
    // After a change under way, which does not know of it.
    this.#reloading = this.#reloading.then(() => this.#bringUpToDate(member));
    return listening;
  }

  /** A worker is gone. */
  #ended(member: Member, code: number | null, signal: string | null): void {
    const { number, worker, serves } = member;
    if (this.#members.get(number) === member) this.#members.delete(number);
    this.#counts.gone(member);
    if (this.#stopping) return;
    if (this.#failStart !== null) {
      this.#failStart(new Error(`worker ${number} ended at its start (${signal ?? `exit code ${code}`})`));
      return;
    }
    const pauseMs = this.#restarts.ended(number, serves);
    const fields = { worker: number, pid: worker.process.pid, exit_code: code, signal };
    if (pauseMs === null) {
      this.#log.error('workers end again and again; the gateway gives up', fields);
      process.stderr.write('llm-gateway: workers end again and again; see the log for why\n');
      void this.#stop('crash loop', 1);
      return;
    }
    this.#log.error('a worker has ended; another one takes its place', { ...fields, pause_ms: pauseMs });
    void this.#replace(number, pauseMs);
  }

  async #replace(number: number, pauseMs: number): Promise<void> {
    if (pauseMs > 0) await sleep(pauseMs);
    if (this.#stopping) return;
    const begun = performance.now();
    try {
      await this.#start(number);
      if (this.#stopping) return;
      const ms = Math.round(performance.now() - begun);
      this.#log.info('a worker serves in place of another', {
        worker: number,
        pid: this.#members.get(number)?.worker.process.pid,
        start_ms: ms,
      });
      this.#keepSpare();
    } catch (error) {
      const mistakes = error instanceof ConfigError ? error.lines : [String(error)];
      if (!this.#stopping) this.#log.error('a worker could not be started', { worker: number, mistakes });
    }
  }

  get #serving(): Member[] {
    return [...this.#members.values()].filter(({ serves }) => serves).sort((a, b) => a.number - b.number);
  }

  /** Answers of all that answer in time. */
  async #askAll({ name, value }: Forwarded, ms = askMs): Promise<unknown[]> {
    const answers = await Promise.allSettled(
      this.#serving.map(({ channel }) => channel.ask(name, value, ms)),
    );
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  /** As #askAll, of counts: those of the dead belong to the gateway, and so do those of one that does not answer in time. */
  async #askCounts({ name, value }: Forwarded): Promise<Counted[]> {
    const fresh = new Set<Member>();
    const ask = async (member: Member): Promise<void> => {
      const counted = (await member.channel.ask(name, value, askMs)) as Counted;
      if (this.#members.get(member.number) !== member) return;
      this.#counts.heard(member, counted);
      fresh.add(member);
    };
    await Promise.allSettled(this.#serving.map(ask));
    return this.#counts.all(fresh);
  }

  /** Whether a connection that a worker was handed may go to another one. While all drain they may be about to close. */
  #takenByOthers(than: Worker): boolean {
    return !this.#stopping && this.#serving.some(({ worker }) => worker !== than && worker.isConnected());
  }

  #tellOthers(from: Worker, { name, value }: Forwarded): void {
    for (const { worker, channel } of this.#serving) if (worker !== from) channel.tell(name, value);
  }

  /** All workers take the new configuration, or none does. */
  async #reload(): Promise<void> {
    if (this.#stopping) return;
    try {
      const { config, snapshot } = takeSnapshot(this.#snapshot.version + 1, this.#env);
      const members = this.#serving;
      const mistakes = await this.#prepare(members, snapshot);
      if (mistakes.length > 0) {
        for (const { channel } of members) channel.tell(fromPrimary.drop);
        throw new ConfigError(mistakes);
      }
      const late = takeRestart(this.#config, config);
      if (late.length > 0) this.#log.warn('some settings need a restart', { settings: late });
      this.#snapshot = snapshot;
      this.#config = config;
      await Promise.all(members.map((member) => this.#take(member)));
      this.#log.setLevels({ level: config.logLevel, modules: config.logModules });
      for (const warning of config.warnings) this.#log.warn(warning);
      this.#log.info('configuration reloaded');
    } catch (error) {
      const isWrong = error instanceof ConfigError;
      const what = isWrong ? 'the new configuration is wrong' : 'the new configuration could not be taken';
      this.#log.error(`${what}; the old one stays`, { mistakes: isWrong ? error.lines : [String(error)] });
    }
  }

  /** Has workers read a configuration without using it. @returns what is wrong with it */
  async #prepare(members: readonly Member[], snapshot: Snapshot): Promise<string[]> {
    const found = await Promise.all(
      members.map(async ({ channel, worker }) => {
        try {
          return (await channel.ask(fromPrimary.prepare, snapshot, reloadMs)) as string[];
        } catch (error) {
          // The one that comes in its place takes what counts then.
          return worker.isDead() || !worker.isConnected() ? [] : [String(error)];
        }
      }),
    );
    return found.find((mistakes) => mistakes.length > 0) ?? [];
  }

  /** Has a worker use what it has read. One that does not is replaced. */
  async #take(member: Member): Promise<void> {
    try {
      await member.channel.ask(fromPrimary.take, null, reloadMs);
      member.version = this.#snapshot.version;
    } catch {
      member.worker.process.kill('SIGKILL');
    }
  }

  /** One that was started while the configuration changed. */
  async #bringUpToDate(member: Member): Promise<void> {
    if (this.#stopping || member.version === this.#snapshot.version) return;
    const mistakes = await this.#prepare([member], this.#snapshot);
    if (mistakes.length > 0) member.worker.process.kill('SIGKILL');
    else await this.#take(member);
  }

  #stopOnSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (!this.#stopping) void this.#stop(signal, 0);
      });
    }
  }

  async #stop(signal: string, exitCode: number): Promise<void> {
    const inFlight = this.#askAll({ name: 'in_flight', value: null }, 100);
    this.#stopping = true;
    this.#watcher?.close();
    this.#spare?.worker.process.kill('SIGKILL');
    const counts = (await inFlight) as number[];
    this.#log.info('draining', { signal, in_flight: counts.reduce((sum, count) => sum + count, 0) });
    const ms = this.#config.drainTimeoutMs + endMs;
    const ends = await Promise.all(
      [...this.#members.values()].map(async ({ worker, channel, started }) => {
        const gone = new Promise<void>((resolve) => worker.process.once('close', () => resolve()));
        const late = sleep(ms, null, { ref: false });
        const stopped = started ? channel.ask(fromPrimary.drain, null, ms).catch(() => null) : null;
        // It has nothing to end, and might not hear of it.
        if (!started) worker.process.kill('SIGKILL');
        await Promise.race([gone, late]);
        worker.process.kill('SIGKILL');
        return ((await stopped) as Stopped | null)?.destroyed ?? 0;
      }),
    );
    this.#log.info('stopped', { cut_off: ends.reduce((sum, count) => sum + count, 0) });
    process.exit(exitCode);
  }

  #lostLine(lost: number): string {
    const timestamp = new Date().toISOString();
    const message = 'log lines of workers lost: nobody took them';
    const { serviceName: service } = this.#config;
    return `${JSON.stringify({ timestamp, level: 'WARN', service, module: 'log', message, lost })}\n`;
  }
}
