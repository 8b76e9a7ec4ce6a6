import type { UsageGroup, UsageTotals } from '../../gen/llmgateway/v1/usage_service_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import { groupWords, type UsageApi } from '../rpc/usage-api.ts';
import { type RestHandler, refuseOthers, sendJson } from './exchange.ts';

const known = ['date', 'from', 'to', 'group_by', 'tenant'];
const groups = new Map([...groupWords].map(([group, word]) => [word as string, group]));

/** GET /v1/usage. */
export const getUsage =
  (api: UsageApi): RestHandler =>
  async (exchange) => {
    const given = new URLSearchParams(exchange.query);
    refuseOthers(given.keys(), known);
    const date = given.get('date') ?? '';
    if (date !== '' && (given.has('from') || given.has('to'))) {
      throw invalidRequest('date', 'date is one day; from and to are several');
    }
    const usage = await api.getUsage(exchange.principal, {
      from: date === '' ? (given.get('from') ?? '') : date,
      to: date === '' ? (given.get('to') ?? '') : date,
      fromField: date === '' ? 'from' : 'date',
      groups: readGroups(given.get('group_by') ?? ''),
      tenant: given.get('tenant') ?? undefined,
    });
    const body: Record<string, unknown> = {
      object: 'usage',
      ...(usage.from === usage.to ? { date: usage.from } : { from: usage.from, to: usage.to }),
      total: totalsJson(usage.total),
    };
    for (const { group, entries } of usage.groups) {
      // Without a prototype, so that a name may be any text.
      const named: Record<string, unknown> = Object.create(null);
      for (const { name, totals } of entries) named[name] = totalsJson(totals);
      body[`${groupWords.get(group)}s`] = named;
    }
    sendJson(exchange, 200, JSON.stringify(body));
  };

function readGroups(text: string): UsageGroup[] {
  if (text === '') return [];
  return text.split(',').map((word) => {
    const group = groups.get(word.trim());
    if (group !== undefined) return group;
    const shown = JSON.stringify(word.slice(0, 200));
    throw invalidRequest(
      'group_by',
      `group_by has ${shown} in it; there are ${[...groups.keys()].join(', ')}`,
    );
  });
}

const totalsJson = (totals: UsageTotals | undefined): Record<string, unknown> | undefined =>
  totals && {
    requests: Number(totals.requests),
    prompt_tokens: Number(totals.promptTokens),
    completion_tokens: Number(totals.completionTokens),
    total_tokens: Number(totals.promptTokens + totals.completionTokens),
    cached_tokens: Number(totals.cachedTokens),
    cache_write_tokens: Number(totals.cacheWriteTokens),
    reasoning_tokens: Number(totals.reasoningTokens),
    cost_usd: totals.costUsd,
    unpriced: Number(totals.unpriced),
    estimated: Number(totals.estimated),
    aborted: Number(totals.aborted),
  };
