import { isObject } from '../../codec/json.ts';
import type { DiscoveredModel } from '../provider.ts';

/** One page of a model list. */
export interface ModelPage {
  readonly models: readonly DiscoveredModel[];
  /** Asks for the next page; '' when there is none. */
  readonly next: string;
}

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;

/** A page of `GET /models`. What is not understood is left out. */
export function decodeModelPage(json: unknown): ModelPage {
  const list = isObject(json) && Array.isArray(json['models']) ? json['models'] : [];
  const models: DiscoveredModel[] = [];
  for (const entry of list) {
    if (!isObject(entry) || typeof entry['name'] !== 'string') continue;
    const id = entry['name'].replace(/^models\//, '');
    if (id === '') continue;
    const contextWindow = positive(entry['inputTokenLimit']);
    const maxOutputTokens = positive(entry['outputTokenLimit']);
    models.push({
      id,
      ...(contextWindow === undefined ? {} : { contextWindow }),
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    });
  }
  const next = isObject(json) && typeof json['nextPageToken'] === 'string' ? json['nextPageToken'] : '';
  return { models, next };
}
