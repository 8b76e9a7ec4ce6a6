import { hour, setting, time } from '../setting.ts';
import { bytes, oneOf, pairs, wholeNumber } from '../values.ts';

/** Stored responses and conversations. */
export const responseSettings = {
  responseTtlMs: time(
    'responses.ttl',
    'RESPONSE_TTL',
    [60_000, 720 * hour],
    168 * hour,
    'Life of a stored response or conversation; use does not lengthen it',
  ),
  responseMaxBytes: setting(
    'responses.max_bytes',
    'RESPONSE_MAX_BYTES',
    bytes(2 ** 10, 256 * 2 ** 20),
    16 * 2 ** 20,
    'Largest stored response with its input and events, and largest conversation',
    '16MiB',
  ),
  responseLeaseMs: time(
    'responses.lease',
    'RESPONSE_LEASE',
    [500, hour],
    15_000,
    'After how long the response of a gateway that died counts as abandoned',
  ),
  responseMaxBackground: setting(
    'responses.max_background',
    'RESPONSE_MAX_BACKGROUND',
    wholeNumber(1, 65_535),
    256,
    'Stored responses under way from which on further background ones wait, here or for another gateway',
  ),
  responseResume: setting(
    'responses.resume',
    'RESPONSE_RESUME',
    oneOf(['fail', 'restart']),
    'fail',
    'What becomes of a background response whose gateway died: it fails, or is begun anew',
  ),
  responseHostedTools: setting(
    'responses.hosted_tools',
    'RESPONSE_HOSTED_TOOLS',
    pairs,
    new Map<string, string>() as ReadonlyMap<string, string>,
    "The gateway's tools that stand for hosted ones with providers that do not have these: `web_search: search_corpus`",
    '',
  ),
} as const;
