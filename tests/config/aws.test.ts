import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/load.ts';
import { load, mistakes } from './support/load.ts';

const keys = {
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'plain-secret-key',
  AWS_REGION: 'eu-west-1',
};

const provider = (config: Config, name = 'bedrock') => config.providers.find((one) => one.name === name)!;
const shown = (config: Config, name = 'bedrock') => {
  const { aws, apiKey, baseUrl } = provider(config, name);
  return {
    region: aws?.region,
    id: aws?.credentials?.accessKeyId,
    secret: aws?.credentials?.secretAccessKey.reveal(),
    token: aws?.credentials?.sessionToken?.reveal(),
    key: apiKey?.reveal(),
    endpoint: aws?.endpoint,
    baseUrl,
  };
};

describe('Bedrock from the environment', () => {
  test("by AWS's own variables", () => {
    expect(shown(load(null, { ...keys, AWS_SESSION_TOKEN: 'plain-token' }))).toEqual({
      region: 'eu-west-1',
      id: 'AKIDEXAMPLE',
      secret: 'plain-secret-key',
      token: 'plain-token',
      key: undefined,
      endpoint: '',
      baseUrl: 'https://bedrock-runtime.eu-west-1.amazonaws.com',
    });
  });

  test('ours win', () => {
    const own = {
      LLM_GATEWAY_AWS_ACCESS_KEY_ID: 'OWNID',
      LLM_GATEWAY_AWS_SECRET_ACCESS_KEY: 'own-secret-key',
      LLM_GATEWAY_AWS_SESSION_TOKEN: 'own-token',
      LLM_GATEWAY_AWS_REGION: 'us-gov-west-1',
      LLM_GATEWAY_BEDROCK_BASE_URL: 'http://127.0.0.1:9/',
      LLM_GATEWAY_BEDROCK_ENDPOINT: 'http://own:7090/invoke',
      LLM_GATEWAY_AWS_BEARER_TOKEN_BEDROCK: 'own-key',
    };
    const config = load(null, {
      ...keys,
      ...own,
      AWS_SESSION_TOKEN: 'plain-token',
      BEDROCK_ENDPOINT: 'http://plain:7090/invoke',
      AWS_BEARER_TOKEN_BEDROCK: 'plain-key',
    });
    expect(config.warnings).toEqual([]);
    expect(shown(config)).toEqual({
      region: 'us-gov-west-1',
      id: 'OWNID',
      secret: 'own-secret-key',
      token: 'own-token',
      key: 'own-key',
      endpoint: 'http://own:7090/invoke',
      baseUrl: 'http://127.0.0.1:9',
    });
  });

  test('a token of other credentials is not taken along with ours', () => {
    const own = {
      LLM_GATEWAY_AWS_ACCESS_KEY_ID: 'OWNID',
      LLM_GATEWAY_AWS_SECRET_ACCESS_KEY: 'own-secret-key',
    };
    expect(shown(load(null, { ...own, AWS_SESSION_TOKEN: 'plain-token' })).token).toBeUndefined();
  });

  test("a region of Bedrock's own comes before the general ones", () => {
    const region = (env: Record<string, string>) => shown(load(null, env)).region;
    expect(region({ BEDROCK_REGION: 'eu-central-1', AWS_REGION: 'us-east-1' })).toBe('eu-central-1');
    expect(region({ AWS_REGION: 'us-west-2', AWS_DEFAULT_REGION: 'us-east-1' })).toBe('us-west-2');
    expect(region({ AWS_DEFAULT_REGION: 'us-east-1' })).toBe('us-east-1');
  });

  test.each([
    ['us-gov-west-1', 'https://bedrock-runtime.us-gov-west-1.amazonaws.com'],
    ['us-isob-east-1', 'https://bedrock-runtime.us-isob-east-1.amazonaws.com'],
    ['eusc-de-east-1', 'https://bedrock-runtime.eusc-de-east-1.amazonaws.eu'],
    ['cn-north-1', 'https://bedrock-runtime.cn-north-1.amazonaws.com.cn'],
  ])('%s is a region, in its own domain', (region, baseUrl) => {
    expect(shown(load(null, { AWS_REGION: region }))).toMatchObject({ region, baseUrl });
  });

  test('nothing at all is no mistake', () => {
    expect(shown(load(null, {}))).toEqual({
      region: '',
      id: undefined,
      secret: undefined,
      token: undefined,
      key: undefined,
      endpoint: '',
      baseUrl: '',
    });
  });
});

describe('from the file', () => {
  const yaml = `
providers:
  bedrock: { region: us-west-2, access_key_id: FILEID, secret_access_key: file-secret-key, session_token: file-token }
  bedrock-eu: { form: bedrock, region: eu-west-3, access_key_id: EUID, secret_access_key: eu-secret-key }
  bedrock-us: { form: bedrock, region: us-east-2 }
`;

  test('for the built-in provider the environment wins', () => {
    expect(shown(load(yaml, {}))).toMatchObject({
      region: 'us-west-2',
      id: 'FILEID',
      secret: 'file-secret-key',
      token: 'file-token',
    });
    expect(shown(load(yaml, keys))).toMatchObject({
      region: 'eu-west-1',
      id: 'AKIDEXAMPLE',
      token: undefined,
    });
  });

  test('others have their own, and what they lack from the environment', () => {
    const config = load(yaml, { ...keys, BEDROCK_ENDPOINT: 'http://proxy:7090/invoke' });
    expect(shown(config, 'bedrock-eu')).toMatchObject({
      region: 'eu-west-3',
      id: 'EUID',
      secret: 'eu-secret-key',
      endpoint: '',
      baseUrl: 'https://bedrock-runtime.eu-west-3.amazonaws.com',
    });
    expect(shown(config, 'bedrock-us')).toMatchObject({ region: 'us-east-2', id: 'AKIDEXAMPLE' });
    expect(provider(config, 'bedrock-eu').unsupported).toEqual(provider(config).unsupported);
    expect(provider(config, 'bedrock-eu').prefixes).toEqual(['bedrock-eu/']);
  });
});

describe('each mistake is one line', () => {
  test.each<[string, string | null, Record<string, string>, RegExp]>([
    [
      'half a key',
      null,
      { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE' },
      /^AWS_SECRET_ACCESS_KEY: is missing, but AWS_ACCESS_KEY_ID is set; the two belong together$/,
    ],
    [
      'the other half',
      null,
      { LLM_GATEWAY_AWS_SECRET_ACCESS_KEY: 'some-secret' },
      /^AWS_ACCESS_KEY_ID: is missing, but LLM_GATEWAY_AWS_SECRET_ACCESS_KEY is set/,
    ],
    [
      'half a key in the file',
      'providers: { bedrock: { access_key_id: ABCDEF } }',
      {},
      /^AWS_SECRET_ACCESS_KEY: is missing, but providers\.bedrock\.access_key_id is set/,
    ],
    [
      'a secret with spaces',
      null,
      { ...keys, AWS_SECRET_ACCESS_KEY: 'two words' },
      /^AWS_SECRET_ACCESS_KEY: is \[secret\], has to be printable ASCII without spaces$/,
    ],
    [
      'an id that is none',
      null,
      { ...keys, AWS_ACCESS_KEY_ID: 'a/b' },
      /^AWS_ACCESS_KEY_ID: is \[secret\], has to be the id of an access key$/,
    ],
    [
      'a token with spaces',
      null,
      { ...keys, AWS_SESSION_TOKEN: 'two words' },
      /^AWS_SESSION_TOKEN: is \[secret\], has to be/,
    ],
    [
      'a region that is none',
      null,
      { AWS_REGION: 'Frankfurt' },
      /^AWS_REGION: is "Frankfurt", has to be an AWS region such as us-east-1$/,
    ],
    [
      'an address that is none',
      null,
      { BEDROCK_ENDPOINT: 'bedrock-proxy' },
      /^BEDROCK_ENDPOINT: is "bedrock-proxy", has to be an http or https URL/,
    ],
    [
      'a region for another form',
      'providers: { openai: { region: us-east-1 } }',
      {},
      /^providers\.openai\.region: has a meaning for providers of form bedrock only$/,
    ],
  ])('%s', (_what, yaml, env, line) => {
    expect(mistakes(yaml, env)).toEqual([expect.stringMatching(line)]);
  });

  test('that shows no secret', () => {
    const long = 'T'.repeat(5_000);
    const lines = mistakes(`providers: { bedrock: { session_token: ${long} } }`, {});
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('TTTT');
  });
});

test('no dump of the configuration shows a secret', () => {
  const config = load(null, {
    ...keys,
    AWS_SESSION_TOKEN: 'plain-token',
    AWS_BEARER_TOKEN_BEDROCK: 'plain-key',
  });
  for (const dump of [JSON.stringify(config), inspect(config, { depth: 10 })]) {
    expect(dump).not.toMatch(/plain-secret-key|plain-token|plain-key/);
  }
});
