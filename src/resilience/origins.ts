import { hash } from 'node:crypto';

/** Encrypted contents whose origin is remembered at most. */
const maxKept = 16_384;

/**
 * Which provider made encrypted content that only its maker can read. The memory is this gateway's own; what is not remembered
 * goes where the call goes.
 */
export class Origins {
  readonly #kept = new Map<string, string>();

  remember(content: string, provider: string): void {
    const key = digest(content);
    this.#kept.delete(key);
    if (this.#kept.size >= maxKept) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    this.#kept.set(key, provider);
  }

  of(content: string): string | undefined {
    return this.#kept.get(digest(content));
  }
}

const digest = (content: string): string => hash('sha256', content, 'base64');
