// Connect and gRPC: the gateway beside bare connect-node handlers, with the same upstream call and with canned answers.

import type { Bench } from '../lib/bench.ts';
import { type Case, runCases } from '../lib/interleave.ts';
import type { CaseResult } from '../lib/results.ts';
import { RPC_PROTOCOLS, rpcCall } from '../lib/rpc-requests.ts';
import { bareConnect, cannedConnect, gateway } from '../systems/systems.ts';

export function runRpc(bench: Bench): Promise<CaseResult[]> {
  return runCases(bench, [bareConnect, gateway, cannedConnect], cases);
}

const TITLES = {
  'connect-json': 'Connect (JSON)',
  'connect-binary': 'Connect (binary)',
  grpc: 'gRPC',
} as const;

const cases: Case[] = RPC_PROTOCOLS.flatMap((protocol): Case[] => {
  const title = TITLES[protocol];
  const systems = [bareConnect.name, gateway.name];
  return [
    {
      id: `rpc/${protocol}/unary`,
      title: `${title}, unary`,
      unit: 'request',
      kind: 'unary',
      systems,
      extras: [cannedConnect.name],
      reference: bareConnect.name,
      call: (system) => rpcCall(system, protocol, false),
    },
    {
      id: `rpc/${protocol}/burst`,
      title: `${title}, stream of 100 chunks in one burst`,
      unit: 'message',
      kind: 'burst',
      systems,
      extras: [cannedConnect.name],
      reference: bareConnect.name,
      call: (system) => rpcCall(system, protocol, true),
    },
    {
      id: `rpc/${protocol}/paced`,
      title: `${title}, paced streams: 48 at once, a chunk every 10 ms in each`,
      unit: 'message',
      kind: 'paced',
      systems,
      reference: bareConnect.name,
      call: (system) => rpcCall(system, protocol, true),
    },
  ];
});
