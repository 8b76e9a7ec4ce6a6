import type { Session } from './roster.ts';
import type { PoolRules } from './rules.ts';

/** A session that has lived idle for so long works, in milliseconds. That it started says little: it may end right after. */
const provenMs = 5_000;

/** When an idle session has shown that it works. Each does so once: that one is well says nothing of another one's failures later on. */
export const provesAt = ({ status, proven, pinging, since }: Session): number | null =>
  status === 'idle' && !proven && !pinging ? since + provenMs : null;

/** When something is to be done about a session that no event tells of; null for never. */
export function dueAt({ status, pinging, since }: Session, rules: PoolRules): number | null {
  if (status === 'starting') return since + rules.spawnTimeoutMs;
  if (status !== 'idle') return null;
  return since + (pinging ? rules.pingTimeoutMs : (pingMs(rules) ?? rules.maxIdleMs));
}

/** How long a session is idle until it is pinged; null when it is replaced instead. */
export const pingMs = ({ pings, keepAliveMs, maxIdleMs }: PoolRules): number | null =>
  pings && keepAliveMs > 0 && keepAliveMs <= maxIdleMs ? keepAliveMs : null;
