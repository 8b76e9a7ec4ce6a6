import {
  byAge,
  decodeTool,
  encodeTool,
  type RegisterResult,
  type StoredTool,
  type ToolBounds,
  type ToolStore,
} from '../../tools/store.ts';
import { type RedisConnection, script } from './connection.ts';

/** A tenant's tools are one hash, from names to tools: KEYS 1. ARGV: name, tool, most tools, most bytes. */
const register = script(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 'taken' end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 'full' end
local bytes = #ARGV[2]
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  bytes = bytes + redis.call('HSTRLEN', KEYS[1], name)
end
if bytes > tonumber(ARGV[4]) then return 'full' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 'registered'`);

/** Registered tools in Redis. Those of one tenant are in one slot of a Cluster. */
export class RedisTools implements ToolStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async register(tenant: string, tool: StoredTool, bounds: ToolBounds): Promise<RegisterResult> {
    const args = [tool.name, encodeTool(tool), bounds.tools, bounds.bytes];
    return String(await this.#redis.run(register, [keyOf(tenant)], args)) as RegisterResult;
  }

  async delete(tenant: string, name: string): Promise<boolean> {
    return (await this.#redis.command('HDEL', keyOf(tenant), name)) === 1;
  }

  async read(tenant: string, name: string): Promise<StoredTool | null> {
    const text = await this.#redis.command('HGET', keyOf(tenant), name);
    return text === null ? null : decodeTool(String(text));
  }

  async list(tenant: string): Promise<StoredTool[]> {
    const texts = (await this.#redis.command('HVALS', keyOf(tenant))) as Buffer[];
    return texts.map((text) => decodeTool(String(text))).sort(byAge);
  }
}

/** In a tag, nothing of the tenant's may end it. */
const keyOf = (tenant: string): string => `llmgateway:tools:{${encodeURIComponent(tenant)}/}`;
