import type { ThinkValue } from '../../codec/ollama-chat/dialect.ts';
import { backgroundTimeouts, type HttpApi } from '../http-api.ts';
import type { DiscoveredModel } from '../provider.ts';
import { decodeShow, decodeTags, type ListedModel, type ModelFacts } from './decode-models.ts';

/** The version that a name without one means. */
const latest = ':latest';

/** Look-ups in one round, and at once. What is left over is looked up in the next rounds. */
const maxLookUps = 64;
const atOnce = 4;
/** All look-ups of a round together, in milliseconds: the list itself does not wait longer for them. */
const lookUpMs = 2_000;
/** More than this is not a list of models, or not what is said of one. In bytes. */
const maxListBytes = 16 * 1024 * 1024;
const maxShowBytes = 8 * 1024 * 1024;

interface Entry {
  readonly listed: ListedModel;
  /** null as long as nothing is known. */
  facts: ModelFacts | null;
  /** Look-ups that failed; those with the most come last. */
  failures: number;
}

/** The models of an Ollama and what is known of them, which is asked once for each version of a model. */
export class ModelBook {
  readonly #api: HttpApi;
  #entries: ReadonlyMap<string, Entry> = new Map();

  constructor(api: HttpApi) {
    this.#api = api;
  }

  /** What is known of a model; its name may be without `:latest`. Never asks. */
  facts(name: string): ModelFacts | null {
    return (this.#entries.get(name) ?? this.#entries.get(`${name}${latest}`))?.facts ?? null;
  }

  /** What the model's `think` may be; undefined where that is not known. */
  think(name: string): readonly ThinkValue[] | undefined {
    return this.facts(name)?.think;
  }

  /** Asks for the list, and for what is not known of its models. @throws GatewayError when there is no list to be had */
  async list(signal: AbortSignal): Promise<DiscoveredModel[]> {
    const request = { path: '/api/tags', body: null, signal, timeouts: backgroundTimeouts };
    const listed = decodeTags(await this.#api.json(request, maxListBytes), this.#api.name);
    const entries = new Map(listed.map((model) => [model.name, this.#entryOf(model)]));
    this.#entries = entries;
    await this.#lookUp([...entries.values()], signal);
    return [...entries.values()].map(discovered);
  }

  #entryOf(listed: ListedModel): Entry {
    const known = this.#entries.get(listed.name);
    const same =
      known !== undefined &&
      known.listed.digest === listed.digest &&
      known.listed.modifiedAt === listed.modifiedAt;
    return { listed, facts: same ? known.facts : null, failures: same ? known.failures : 0 };
  }

  /** A model that says nothing, or too late, is listed without facts. */
  async #lookUp(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const pending = entries
      .filter(({ facts }) => facts === null)
      .sort((a, b) => a.failures - b.failures)
      .slice(0, maxLookUps);
    if (pending.length === 0) return;
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(lookUpMs)]);
    const worker = async (): Promise<void> => {
      for (let entry = pending.shift(); entry !== undefined; entry = pending.shift()) {
        if (inTime.aborted) return;
        try {
          entry.facts = await this.#show(entry.listed.name, inTime);
        } catch {
          entry.failures++;
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }

  async #show(name: string, signal: AbortSignal): Promise<ModelFacts> {
    const body = JSON.stringify({ model: name });
    const request = { path: '/api/show', body, signal, timeouts: backgroundTimeouts };
    return decodeShow(await this.#api.json(request, maxShowBytes));
  }
}

/** Ollama has no price by the token, neither here nor as a service. */
const free = { input: 0, output: 0 };

function discovered({ listed, facts }: Entry): DiscoveredModel {
  const { name, modifiedAt, remote } = listed;
  return {
    id: name,
    ...(name.endsWith(latest) ? { aliases: [name.slice(0, -latest.length)] } : {}),
    price: free,
    ...(remote ? { remote } : {}),
    ...(modifiedAt > 0 ? { createdAt: modifiedAt } : {}),
    ...(facts?.contextWindow === undefined ? {} : { contextWindow: facts.contextWindow }),
    ...(facts?.capabilities === undefined ? {} : { capabilities: facts.capabilities }),
  };
}
