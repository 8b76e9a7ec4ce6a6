// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the file names variables
import { format, inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { folder, load, mistakes } from './support/load.ts';

describe('MCP servers', () => {
  test('are none without a file', () => {
    expect(load(null).mcpServers).toEqual([]);
    expect(load('mcp_servers:').mcpServers).toEqual([]);
  });

  test('of both kinds are read, in their order', () => {
    const yaml = `
mcp_servers:
  search:
    url: https://mcp.example.com/mcp/?key=1
    headers: { Authorization: "Bearer \${TOKEN}" }
  files:
    command: npx
    args: [-y, "@scope/server", 8080, true]
    env: { API_KEY: "\${TOKEN}", LEVEL: 3 }
    cwd: data
    timeout: 5s
    tools: [read_file, list.dir]
  off: { enabled: false, command: x }
`;
    expect(load(yaml, { TOKEN: 'tok-123456' }).mcpServers).toEqual([
      {
        name: 'search',
        transport: {
          kind: 'http',
          url: 'https://mcp.example.com/mcp/?key=1',
          headers: { authorization: 'Bearer tok-123456' },
        },
        timeoutMs: 60_000,
        tools: null,
      },
      {
        name: 'files',
        transport: {
          kind: 'stdio',
          command: 'npx',
          args: ['-y', '@scope/server', '8080', 'true'],
          env: { API_KEY: 'tok-123456', LEVEL: '3' },
          cwd: `${folder}/data`,
        },
        timeoutMs: 5_000,
        tools: ['read_file', 'list.dir'],
      },
    ]);
  });

  test.each([
    ['mcp_servers: [1]', 'mcp_servers: is [1], has to be a map from names to settings'],
    ['mcp_servers: { a: 1 }', 'mcp_servers.a: is 1, has to be a map of settings'],
    ['mcp_servers: { a: {} }', 'mcp_servers.a: has to have a command or a url'],
    [
      'mcp_servers: { a: { command: x, url: "http://x" } }',
      'mcp_servers.a: has to have either command or url',
    ],
    [
      'mcp_servers: { a: { comand: x, url: "http://x" } }',
      /^mcp_servers\.a\.comand: .*did you mean command\?$/,
    ],
    ['mcp_servers: { a: { url: "ftp://x" } }', /^mcp_servers\.a\.url: is "ftp:\/\/x", has to be an http/],
    ['mcp_servers: { a: { url: "http://u:p@x" } }', /^mcp_servers\.a\.url: .*without credentials/],
    [
      'mcp_servers: { a: { url: "http://x", args: [b] } }',
      /^mcp_servers\.a\.args: .*servers with command only$/,
    ],
    [
      'mcp_servers: { a: { url: "http://x", env: { B: c } } }',
      /^mcp_servers\.a\.env: .*servers with command only$/,
    ],
    [
      'mcp_servers: { a: { command: x, headers: { b: c } } }',
      /^mcp_servers\.a\.headers: .*servers with url only$/,
    ],
    ['mcp_servers: { a: { command: x, args: y } }', /^mcp_servers\.a\.args: is "y", has to be a list/],
    ['mcp_servers: { a: { command: x, env: [y] } }', /^mcp_servers\.a\.env: .*has to be a map/],
    ['mcp_servers: { a: { command: x, env: { "B C": d } } }', /^mcp_servers\.a\.env: .*has to be a map/],
    [
      'mcp_servers: { a: { command: x, timeout: 2h } }',
      /^mcp_servers\.a\.timeout: is "2h", has to be a time from 100ms to 1h/,
    ],
    [
      'mcp_servers: { a: { command: x, tools: [] } }',
      /^mcp_servers\.a\.tools: is \[\], has to be a list of 1 to 1000/,
    ],
    ['mcp_servers: { A: { command: x } }', /^mcp_servers\.A: an MCP server's name has to be/],
    ['mcp_servers: { a__b: { command: x } }', /^mcp_servers\.a__b: an MCP server's name has to be/],
    ['mcp_servers: { a_: { command: x } }', /^mcp_servers\.a_: an MCP server's name has to be/],
    [`mcp_servers: { ${'a'.repeat(33)}: { command: x } }`, /an MCP server's name has to be/],
    [
      `mcp_servers: { ${Array.from({ length: 65 }, (_, i) => `s${i}: { command: x }`).join(', ')} }`,
      'mcp_servers: are 65, have to be at most 64',
    ],
  ])('are refused with one line: %s', (yaml, line) => {
    const lines = mistakes(yaml);
    expect(lines).toEqual([typeof line === 'string' ? line : expect.stringMatching(line)]);
  });

  test('keep their secrets out of dumps and error lines', () => {
    const secret = 'planted-value';
    const servers = `
mcp_servers:
  a: { command: x, env: { PLAIN_NAME: ${secret} } }
  b: { url: "http://x", headers: { x-plain: ${secret} } }
`;
    const { mcpServers } = load(servers);
    for (const dump of [
      inspect(mcpServers, { depth: 9 }),
      format('%j', mcpServers),
      JSON.stringify(mcpServers),
    ])
      expect(dump).not.toContain('planted');
    expect(mistakes(`${servers}\nserver: { port: ${secret} }`).join('\n')).not.toContain('planted');
    expect(mistakes(`mcp_servers: { a: { command: x, env: [${secret}] } }`).join('\n')).not.toContain(
      'planted',
    );
  });
});

test('what /mcp offers is own, all or none', () => {
  expect(load(null).mcpExpose).toBe('own');
  expect(load('mcp: { expose: none }').mcpExpose).toBe('none');
  expect(load('mcp: { expose: none }', { LLM_GATEWAY_MCP_EXPOSE: 'all' }).mcpExpose).toBe('all');
  expect(mistakes('mcp: { expose: some }')).toEqual([
    'mcp.expose: is "some", has to be one of own, all, none',
  ]);
});
