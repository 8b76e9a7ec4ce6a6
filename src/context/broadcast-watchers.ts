import { Watchers } from '../responses/watchers.ts';
import type { Crew } from '../workers/crew.ts';

/** For how long news for the other workers are gathered, in milliseconds: few messages, however many streams. */
const gatherMs = 10;
const name = 'responses.changed';

/** Wakes those who follow a response in the other workers as well. */
export class BroadcastWatchers extends Watchers {
  readonly #crew: Crew;
  #changed = new Set<string>();

  constructor(crew: Crew) {
    super();
    this.#crew = crew;
    crew.answer(name, (ids) => {
      for (const id of ids as string[]) super.notify(id);
    });
  }

  override notify(id: string): void {
    super.notify(id);
    if (this.#crew.size === 1) return;
    this.#changed.add(id);
    if (this.#changed.size > 1) return;
    setTimeout(() => {
      const ids = [...this.#changed];
      this.#changed = new Set();
      this.#crew.tellOthers(name, ids);
    }, gatherMs).unref();
  }
}
