import type { Answer, Channel } from './channel.ts';

/** The workers of a gateway, as one of them sees them. A gateway of one process is a crew of one. */
export interface Crew {
  /** Which one this is, from 1 on. A worker that replaces another one has its number. */
  readonly number: number;
  /** How many there are. */
  readonly size: number;
  /** What this one does when all are asked, or when it is told something by that name. To be set when the gateway is made. */
  answer(name: string, answer: Answer): void;
  /**
   * Asks all, this one included: for what is of the whole gateway, such as counts. Never rejects.
   * @returns the answers of those that gave one in time, in the order of their numbers
   */
  askAll(name: string, value?: unknown): Promise<unknown[]>;
  /** Tells all the others, soon. */
  tellOthers(name: string, value?: unknown): void;
}

/** How long a worker may take to answer, in milliseconds. One that is at its limit is slow to. */
export const askMs = 2_000;

/** A gateway of one process. */
export function crewOfOne(): Crew {
  const answers = new Map<string, Answer>();
  return {
    number: 1,
    size: 1,
    answer: (name, answer) => void answers.set(name, answer),
    async askAll(name, value) {
      const answer = answers.get(name);
      try {
        return answer === undefined ? [] : [await answer(value)];
      } catch {
        return [];
      }
    },
    tellOthers: () => {},
  };
}

/** Names of what the primary does for a worker. */
export const primaryDoes = { askAll: 'ask-all', tellOthers: 'tell-others' } as const;

/** The question for what each one counts. What the dead have counted is among the answers, so there may be more of them than workers. */
export const counts = 'metrics';

/** A question or news on its way through the primary. */
export interface Forwarded {
  readonly name: string;
  readonly value: unknown;
}

/** A worker's crew: whatever concerns the others goes through the primary. @param channel to the primary */
export function crewByChannel(channel: Channel, number: number, size: number): Crew {
  return {
    number,
    size,
    answer: (name, answer) => channel.answer(name, answer),
    async askAll(name, value) {
      try {
        const forwarded: Forwarded = { name, value };
        return (await channel.ask(primaryDoes.askAll, forwarded, 2 * askMs)) as unknown[];
      } catch {
        return [];
      }
    },
    tellOthers(name, value) {
      const forwarded: Forwarded = { name, value };
      channel.tell(primaryDoes.tellOthers, forwarded);
    },
  };
}
