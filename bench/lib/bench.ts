// What every suite works with: upstream, load generator, options, time left.

import { fileURLToPath } from 'node:url';
import type { LoadContract } from '../load/types.ts';
import type { RunningSystem, System } from '../systems/systems.ts';
import type { UpstreamContract } from '../upstream/main.ts';
import { Child } from './children.ts';
import type { Options } from './options.ts';

export class Bench {
  readonly options: Options;
  readonly upstream: Child<UpstreamContract>;
  readonly load: Child<LoadContract>;
  readonly log: (line: string) => void;
  readonly #notes = new Set<string>();
  readonly #deadline: number;
  upstreamPort = 0;

  constructor(options: Options, log: (line: string) => void) {
    this.options = options;
    this.log = log;
    this.#deadline = Date.now() + options.budget * 1000;
    this.upstream = new Child(fileURLToPath(new URL('../upstream/main.ts', import.meta.url)));
    this.load = new Child(fileURLToPath(new URL('../load/main.ts', import.meta.url)));
  }

  async start(): Promise<void> {
    this.upstreamPort = await this.upstream.call('listen', null);
  }

  async stop(): Promise<void> {
    await Promise.all([this.upstream.stop(), this.load.stop()]);
  }

  get upstreamUrl(): string {
    return `http://127.0.0.1:${this.upstreamPort}/v1`;
  }

  get outOfTime(): boolean {
    return Date.now() > this.#deadline;
  }

  /** A remark for the report; the same one twice is one. */
  note(text: string): void {
    if (!this.#notes.has(text)) this.log(`note: ${text}`);
    this.#notes.add(text);
  }

  get notes(): string[] {
    return [...this.#notes];
  }

  /** Starts what can be started; the report says what can't and why. */
  async startSystems(systems: readonly System[]): Promise<RunningSystem[]> {
    const context = { upstreamUrl: this.upstreamUrl, log: this.log };
    const running = await Promise.all(
      systems.map(async (system) => {
        try {
          return [await system.start(context)];
        } catch (error) {
          this.note(`${system.name} was not measured: ${(error as Error).message}`);
          return [];
        }
      }),
    );
    return running.flat();
  }
}
