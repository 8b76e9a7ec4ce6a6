import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import * as build from './build.ts';

type Json = Record<string, unknown>;

const details = [
  'cachedTokens',
  'cacheWriteTokens',
  'reasoningTokens',
  'promptAudioTokens',
  'promptImageTokens',
  'promptTextTokens',
  'completionAudioTokens',
  'completionTextTokens',
  'acceptedPredictionTokens',
  'rejectedPredictionTokens',
] as const;

/**
 * What two answers used together. A detail that only one of them reports is that one's; unknown members of a dialect are added
 * up where they are numbers (costs, durations), and are the later one's where they are not.
 */
export function sumUsage(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const sum = build.usage(
    one.promptTokens + other.promptTokens,
    one.completionTokens + other.completionTokens,
    {
      totalTokens: one.totalTokens + other.totalTokens,
      estimated: one.estimated || other.estimated,
    },
  );
  for (const key of details) {
    if (one[key] !== undefined || other[key] !== undefined) sum[key] = (one[key] ?? 0) + (other[key] ?? 0);
  }
  const extras = other.extras ?? one.extras;
  if (extras !== undefined) sum.extras = extras;
  if (one.extras !== undefined && one.extras.dialect === other.extras?.dialect) {
    const members = sumMembers(JSON.parse(one.extras.json) as Json, JSON.parse(other.extras.json) as Json);
    sum.extras = build.extras(one.extras.dialect, JSON.stringify(members));
  }
  return sum;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Provider's JSON: bounded in depth by what was parsed. */
function sumMembers(one: Json, other: Json): Json {
  const sum: Json = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = Object.hasOwn(one, key) ? one[key] : undefined;
    if (typeof value === 'number' && typeof before === 'number') sum[key] = before + value;
    else if (isObject(value) && isObject(before)) sum[key] = sumMembers(before, value);
    else sum[key] = value;
  }
  return sum;
}
