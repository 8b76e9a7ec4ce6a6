import { describe, expect, test } from 'vitest';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { ConfigError } from '../../src/config/problems.ts';
import { createUpstreamClient } from '../../src/http/client.ts';
import { configuredTools } from '../../src/tools/configured-tools.ts';
import type { Tool } from '../../src/tools/tool.ts';
import { load, mistakes } from '../config/support/load.ts';

const options = { client: createUpstreamClient(), maxResultBytes: () => 1_000 };
const read = (yaml: string): readonly Tool[] => configuredTools(load(yaml).tools, new Set(['echo']), options);
const lines = (yaml: string): readonly string[] => {
  try {
    read(yaml);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
};

const weather = `
tools:
  - name: weather
    description: Tells the weather
    parameters: { type: object, properties: { city: { type: string } }, required: [city] }
    handler: { type: http, url: "http://10.0.0.7:8080/weather/{city}", method: get, headers: { X-Key: hush-hush }, timeout: 5s }
`;

describe('tools in the file', () => {
  test('are read', () => {
    expect(read(weather)).toMatchObject([
      {
        name: 'weather',
        description: 'Tells the weather',
        parametersJson: '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
        source: ToolSource.HTTP,
        timeoutMs: 5_000,
      },
    ]);
    expect(read('tools:')).toEqual([]);
    expect(read('')).toEqual([]);
  });

  test.each<[string, string, string, RegExp]>([
    [
      'a name',
      'name: weather',
      'name: "the weather"',
      /^tools\[0\]\.name: is "the weather", has to be 1 to 64 letters/,
    ],
    [
      'a taken name',
      'name: weather',
      'name: echo',
      /^tools\[0\]\.name: is "echo", has to be a name that no other tool has$/,
    ],
    ['no name', 'name: weather', 'name:', /^tools\[0\]\.name: is missing, has to be there$/],
    ['no description', 'description: Tells the weather', '', /^tools\[0\]\.description: is missing/],
    [
      'a schema',
      'type: string }',
      'type: strin }',
      /^tools\[0\]\.parameters: .* this one is wrong at \/properties\/city\/type/,
    ],
    [
      'another root',
      'type: object',
      'type: array',
      /^tools\[0\]\.parameters: .*has to have "type": "object"$/,
    ],
    [
      'a URL',
      'http://10.0.0.7:8080',
      'ftp://10.0.0.7',
      /^tools\[0\]\.handler\.url: is "ftp:.*has to be an http or https URL/,
    ],
    ['a login', 'http://10', 'http://a:b@10', /^tools\[0\]\.handler\.url: .*must not have credentials/],
    [
      'an open place',
      'required: [city]',
      'required: []',
      /^tools\[0\]\.handler\.url: has \{city\} in its path, which/,
    ],
    [
      'a method',
      'method: get',
      'method: head',
      /^tools\[0\]\.handler\.method: is "head", has to be one of GET/,
    ],
    [
      'a header',
      'X-Key: hush-hush',
      'Host: hush-hush',
      /^tools\[0\]\.handler\.headers: .*Host is set by the gateway/,
    ],
    ['a time', 'timeout: 5s', 'timeout: 2h', /^tools\[0\]\.handler\.timeout: is "2h"/],
    ['a type', 'type: http,', 'type: mcp,', /^tools\[0\]\.handler\.type: is "mcp", has to be one of http$/],
    [
      'an unknown setting',
      'method: get',
      'methud: get',
      /^tools\[0\]\.handler\.methud: .*did you mean method\?$/,
    ],
    ['no handler', '    handler: {', '    handlers: {', /^tools\[0\]\.handlers: .*did you mean handler\?$/],
  ])('are refused with a line for %s', (_what, from, to, line) => {
    const wrong = weather.replace(from, to);
    expect(wrong).not.toBe(weather);
    const [first, ...rest] = lines(wrong);
    expect(first).toMatch(line);
    expect(rest.length).toBeLessThan(2);
    expect(lines(wrong).join()).not.toContain('hush');
  });

  test('tell all mistakes at once', () => {
    expect(lines('tools: [{ name: "a b" }, 5]').length).toBe(5);
    expect(lines(`${weather}${weather.replace('tools:', '')}`)).toEqual([
      'tools[1].name: is "weather", has to be a name that no other tool has',
    ]);
    expect(lines('tools: { a: 1 }')).toEqual(['tools: is {"a":1}, has to be a list of at most 1000 tools']);
  });
});

describe('settings of tools', () => {
  test('have hosts in the form of URLs', () => {
    const hosts = 'api.Example.com, *.ex.com,10.0.0.1:80,[::1]:9,bücher.de';
    expect(load(null, { LLM_GATEWAY_TOOL_ALLOWED_HOSTS: hosts }).toolAllowedHosts).toEqual([
      'api.example.com',
      '*.ex.com',
      '10.0.0.1:80',
      '[::1]:9',
      'xn--bcher-kva.de',
    ]);
    expect(load('tool_registration: { allowed_hosts: [a.com], private_addresses: true }')).toMatchObject({
      toolAllowedHosts: ['a.com'],
      toolPrivateAddresses: true,
    });
    expect(load(null)).toMatchObject({
      toolAllowedHosts: [],
      toolPrivateAddresses: false,
      toolTimeoutMs: 30_000,
      toolMaxResultBytes: 1_048_576,
      toolMaxConcurrent: 256,
    });
  });

  test.each(['https://a.com', '*', '*.', 'a b', 'a.com:99999', 'a.com:', 'u@a.com', 'a.com/x', 'a.*.com'])(
    'refuse %s as a host',
    (host) => {
      expect(mistakes(null, { LLM_GATEWAY_TOOL_ALLOWED_HOSTS: host })).toEqual([
        expect.stringMatching(/^LLM_GATEWAY_TOOL_ALLOWED_HOSTS: is ".*", has to be host names such as/),
      ]);
    },
  );
});
