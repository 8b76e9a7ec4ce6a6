/** What travels between the primary and a worker, over the channel that Node opens between them. */
interface Letter {
  /** Tells it from Node's own messages. */
  readonly gateway: 'ask' | 'reply' | 'tell';
  /** Of a question and its reply. */
  readonly id: number;
  readonly name: string;
  readonly value?: unknown;
  /** Why a question was not answered. */
  readonly error?: string;
}

export type Answer = (value: unknown) => unknown;

/** Questions that wait for their replies at most; more of them fail at once. */
const mostOpen = 10_000;

/**
 * Questions and news between two processes. A question has a time limit; news may get lost with the process that it goes to. Values are copied
 * as by structuredClone.
 */
export class Channel {
  readonly #send: (letter: unknown) => void;
  readonly #answers = new Map<string, Answer>();
  readonly #open = new Map<number, (letter: Letter) => void>();
  #last = 0;
  #closed = false;

  /** @param send hands a message to the other side; what it throws is as if the other side were gone */
  constructor(send: (letter: unknown) => void) {
    this.#send = send;
  }

  /** Answers questions and hears news of this name. One answer for each name; the last one counts. */
  answer(name: string, answer: Answer): void {
    this.#answers.set(name, answer);
  }

  /** @throws Error when the other side fails, ends, does not know the question, or takes longer than `ms` */
  ask(name: string, value: unknown, ms: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error(`${name}: the other process is gone`));
      if (this.#open.size >= mostOpen) return reject(new Error(`${name}: too many questions are open`));
      const id = ++this.#last;
      const fail = (why: string): void => {
        this.#open.delete(id);
        clearTimeout(timer);
        reject(new Error(`${name}: ${why}`));
      };
      const timer = setTimeout(() => fail(`no reply within ${ms} ms`), ms);
      timer.unref();
      this.#open.set(id, ({ error, value: reply }) => {
        if (error !== undefined) return fail(error);
        this.#open.delete(id);
        clearTimeout(timer);
        resolve(reply);
      });
      if (!this.#post({ gateway: 'ask', id, name, value })) fail('the other process is gone');
    });
  }

  /** Says something that needs no reply. */
  tell(name: string, value?: unknown): void {
    this.#post({ gateway: 'tell', id: 0, name, value });
  }

  /** Takes what came from the other side. What is none of the channel's is left alone. */
  receive(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('gateway' in message)) return;
    const letter = message as Letter;
    if (letter.gateway === 'reply') this.#open.get(letter.id)?.(letter);
    else void this.#take(letter);
  }

  /** The other side is gone. */
  close(): void {
    this.#closed = true;
    for (const [id, settle] of [...this.#open])
      settle({ gateway: 'reply', id, name: '', error: 'the other process is gone' });
  }

  async #take({ gateway, id, name, value }: Letter): Promise<void> {
    const answer = this.#answers.get(name);
    let reply: Pick<Letter, 'value' | 'error'>;
    try {
      if (answer === undefined) throw new Error('nobody answers this');
      reply = { value: await answer(value) };
    } catch (error) {
      reply = { error: error instanceof Error ? error.message : String(error) };
    }
    if (gateway === 'ask') this.#post({ gateway: 'reply', id, name, ...reply });
  }

  #post(letter: Letter): boolean {
    if (this.#closed) return false;
    try {
      this.#send(letter);
      return true;
    } catch {
      return false;
    }
  }
}
