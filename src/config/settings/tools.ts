import { atStart, hour, setting, time } from '../setting.ts';
import { bytes, flag, hostPatterns, oneOf, wholeNumber } from '../values.ts';

/** Tools that the gateway runs. */
export const toolSettings = {
  toolTimeoutMs: time(
    'tool_execution.timeout',
    'TOOL_TIMEOUT',
    [100, hour],
    30_000,
    'Longest run of a tool that has no limit of its own',
  ),
  toolMaxResultBytes: setting(
    'tool_execution.max_result_bytes',
    'TOOL_MAX_RESULT_BYTES',
    bytes(2 ** 10, 64 * 2 ** 20),
    2 ** 20,
    'Largest result of a tool',
    '1MiB',
  ),
  toolMaxConcurrent: setting(
    'tool_execution.max_concurrent',
    'TOOL_MAX_CONCURRENT',
    wholeNumber(1, 65_535),
    256,
    'Tools that run at the same time; a call of one more fails',
  ),
  toolMaxRounds: setting(
    'tool_execution.max_rounds',
    'TOOL_MAX_ROUNDS',
    wholeNumber(1, 10),
    10,
    'How often, in one call, the gateway runs its tools for the model and asks it again',
  ),
  toolStateBytes: atStart(
    setting(
      'tool_execution.state_max_bytes',
      'TOOL_STATE_MAX_BYTES',
      bytes(0, 2 ** 34),
      16 * 2 ** 20,
      'Memory for what the gateway ran beside the tools of clients that keep their conversations themselves; 0 turns it off',
      '16MiB',
    ),
  ),
  toolStateTtlMs: atStart(
    time(
      'tool_execution.state_ttl',
      'TOOL_STATE_TTL',
      [1_000, 720 * hour],
      24 * hour,
      'How long that is kept after its last use',
    ),
  ),
  toolAllowedHosts: setting(
    'tool_registration.allowed_hosts',
    'TOOL_ALLOWED_HOSTS',
    hostPatterns,
    [] as readonly string[],
    'Hosts that tools registered at run time may be at: `api.example.com`, `*.example.com`, with `:port` where it is not the usual one; without any, none can be registered',
    '',
  ),
  toolPrivateAddresses: setting(
    'tool_registration.private_addresses',
    'TOOL_PRIVATE_ADDRESSES',
    flag,
    false,
    'Whether these hosts may have private, loopback and other addresses that are not of the public network, and be spoken to without TLS',
  ),
  mcpExpose: setting(
    'mcp.expose',
    'MCP_EXPOSE',
    oneOf(['own', 'all', 'none']),
    'own',
    'Tools that `/mcp` offers to MCP clients: `own` leaves out those of other MCP servers, `none` turns it off',
  ),
} as const;
