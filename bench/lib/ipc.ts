// Calls between the benchmark and its child processes over Node's IPC channel.

import type { ChildProcess } from 'node:child_process';

/** The methods of a child: what each takes and gives. */
export type Contract = Record<string, { params: unknown; result: unknown }>;

export type Handlers<C extends Contract> = {
  [M in keyof C]: (params: C[M]['params']) => C[M]['result'] | Promise<C[M]['result']>;
};

interface CallMessage {
  benchCall: number;
  method: string;
  params: unknown;
}

interface ReplyMessage {
  benchReply: number;
  result?: unknown;
  error?: string;
}

/** Answers calls in a child. Calls may overlap; an exception becomes the caller's rejection. */
export function serve<C extends Contract>(handlers: Handlers<C>): void {
  process.on('message', async (message: CallMessage) => {
    if (typeof message?.benchCall !== 'number') return;
    const reply: ReplyMessage = { benchReply: message.benchCall };
    try {
      const handler = handlers[message.method];
      if (!handler) throw new Error(`no method ${message.method}`);
      reply.result = await handler(message.params as C[string]['params']);
    } catch (error) {
      reply.error = error instanceof Error ? error.message : String(error);
    }
    process.send?.(reply);
  });
  // The parent is gone: nobody will ever stop this process.
  process.on('disconnect', () => process.exit(0));
}

/** The caller's end of a child's channel. */
export class Caller<C extends Contract> {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, (reply: ReplyMessage) => void>();
  #next = 1;

  constructor(child: ChildProcess) {
    this.#process = child;
    child.on('message', (message: ReplyMessage) => this.#pending.get(message?.benchReply)?.(message));
    child.on('exit', () => {
      for (const settle of this.#pending.values()) settle({ benchReply: 0, error: 'the process ended' });
    });
  }

  /** Rejects when the child throws, ends, or takes longer than `timeoutMs`. */
  call<M extends keyof C & string>(
    method: M,
    params: C[M]['params'],
    timeoutMs = 30_000,
  ): Promise<C[M]['result']> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const settle = (reply: ReplyMessage): void => {
        clearTimeout(timer);
        this.#pending.delete(id);
        if (reply.error === undefined) resolve(reply.result as C[M]['result']);
        else reject(new Error(`${method}: ${reply.error}`));
      };
      const timer = setTimeout(
        () => settle({ benchReply: id, error: `no answer in ${timeoutMs} ms` }),
        timeoutMs,
      );
      this.#pending.set(id, settle);
      this.#process.send({ benchCall: id, method, params } satisfies CallMessage, (error) => {
        if (error) settle({ benchReply: id, error: error.message });
      });
    });
  }
}
