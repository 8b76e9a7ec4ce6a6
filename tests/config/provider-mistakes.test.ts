import { describe, expect, test } from 'vitest';
import { mistakes } from './support/load.ts';

type Case = [what: string, yaml: string | null, env: Record<string, string>, line: RegExp];

const mine = (fields: string) => `providers: { mine: { base_url: "http://x", ${fields} } }`;

describe('each mistake about a provider is one line that names the thing', () => {
  test.each<Case>([
    [
      'providers that are no map',
      'providers: [a]',
      {},
      /^providers: is \["a"\], has to be a map from names to settings$/,
    ],
    [
      'a provider that is no map',
      'providers: { openai: 5 }',
      {},
      /^providers\.openai: is 5, has to be a map of settings$/,
    ],
    [
      'a bad name',
      'providers: { "My One": { base_url: "http://x" } }',
      {},
      /^providers\.My One: a provider's name has to be at most 64 lower-case letters/,
    ],
    [
      'an unknown field',
      'providers: { openai: { bse_url: x } }',
      {},
      /^providers\.openai\.bse_url: is not a setting; did you mean base_url\?$/,
    ],
    [
      'no address',
      'providers: { mine: { prefixes: [mine/] } }',
      {},
      /^providers\.mine\.base_url: is missing; set it, or LLM_GATEWAY_MINE_BASE_URL$/,
    ],
    [
      'a wrong address',
      'providers: { openai: { base_url: x } }',
      {},
      /^providers\.openai\.base_url: is "x", has to be an http or https URL/,
    ],
    [
      'a wrong address in the environment',
      null,
      { LLM_GATEWAY_OPENAI_BASE_URL: 'ftp://x' },
      /^LLM_GATEWAY_OPENAI_BASE_URL: is "ftp:\/\/x", has to be an http/,
    ],
    [
      'a wrong older address',
      null,
      { INFERENCE_SERVICE_URL: 'x' },
      /^INFERENCE_SERVICE_URL: is "x", has to be an http/,
    ],
    [
      'an unknown form',
      mine('form: gemini'),
      {},
      /^providers\.mine\.form: is "gemini", has to be one of openai, /,
    ],
    [
      'a key that cannot be sent',
      null,
      { XAI_API_KEY: 'two words' },
      /^XAI_API_KEY: is \[secret\], has to be a key of printable ASCII without spaces$/,
    ],
    [
      'a key that is no text',
      mine('api_key: [a]'),
      {},
      /^providers\.mine\.api_key: is \["a"\], has to be text/,
    ],
    [
      'a key of a wrong variable',
      mine('api_key_env: "MY KEY"'),
      {},
      /^providers\.mine\.api_key_env: is "MY KEY", has to be the name of an environment variable$/,
    ],
    [
      'a header that is no text',
      mine('headers: { a: 1 }'),
      {},
      /^providers\.mine\.headers: is .*, has to be a map from header names to texts/,
    ],
    ['a header with a line break', mine('headers: { a: "b\\nc" }'), {}, /^providers\.mine\.headers: is /],
    [
      'a header of the message itself',
      mine('headers: { Content-Length: "5" }'),
      {},
      /^providers\.mine\.headers: is .*without host, connection, content-length/,
    ],
    [
      'a prefix that could begin any name',
      mine('prefixes: [gpt]'),
      {},
      /^providers\.mine\.prefixes: is \["gpt"\], has to be a list of prefixes that end in "\/" or ":"/,
    ],
    [
      'no prefix',
      mine('prefixes: []'),
      {},
      /^providers\.mine\.prefixes: is \[\], has to be a list of prefixes/,
    ],
    [
      'a prefix of another',
      mine('prefixes: [OpenAI/]'),
      {},
      /^providers\.mine\.prefixes: "openai\/" belongs to provider openai already$/,
    ],
    [
      'an unknown time',
      mine('timeouts: { idel: 1s }'),
      {},
      /^providers\.mine\.timeouts\.idel: is not a setting; did you mean idle\?$/,
    ],
    [
      'a wrong time',
      mine('timeouts: { idle: -1 }'),
      {},
      /^providers\.mine\.timeouts\.idle: is -1, has to be a time/,
    ],
    [
      'a wrong dialect',
      mine('dialect: { max_tokens: many }'),
      {},
      /^providers\.mine\.dialect\.max_tokens: is "many", has to be one of as-given, /,
    ],
    [
      'an unknown dialect',
      mine('dialect: { toString: 1 }'),
      {},
      /^providers\.mine\.dialect\.toString: is not a setting$/,
    ],
    [
      'an unknown parameter',
      mine('unsupported: [seeed]'),
      {},
      /^providers\.mine\.unsupported: is \["seeed"\], has to be a list of some of tools, /,
    ],
    [
      'a wrong security level',
      mine('security_level: top'),
      {},
      /^providers\.mine\.security_level: is "top", has to be one of low, medium, high$/,
    ],
    [
      'a wrong flag',
      mine('discovery: maybe'),
      {},
      /^providers\.mine\.discovery: is "maybe", has to be true or false$/,
    ],
    [
      'an address of what is in the process',
      'providers: { fake: { base_url: "http://x" } }',
      {},
      /^providers\.fake\.base_url: has no meaning for a provider in this process/,
    ],
    ['a wrong project', null, { OPENAI_PROJECT_ID: 'a b' }, /^OPENAI_PROJECT_ID: is "a b", has to be an id/],
  ])('%s', (_what, yaml, env, line) => {
    expect(mistakes(yaml, env)).toEqual([expect.stringMatching(line)]);
  });
});
