// REST: the gateway's facade beside the floor and the peer.

import type { Bench } from '../lib/bench.ts';
import { type Case, runCases } from '../lib/interleave.ts';
import { LARGE, restCall } from '../lib/requests.ts';
import type { CaseResult } from '../lib/results.ts';
import { floor, gateway, portkey, type RunningSystem } from '../systems/systems.ts';

const SYSTEMS = [floor, gateway, portkey];

export function runRest(bench: Bench): Promise<CaseResult[]> {
  return runCases(bench, SYSTEMS, cases);
}

const common = { systems: [floor.name, gateway.name], reference: floor.name };
const withPeer = { systems: SYSTEMS.map((system) => system.name), reference: floor.name };

const cases: Case[] = [
  {
    ...common,
    id: 'rest/unary',
    title: 'Unary, request of 1 KB',
    unit: 'request',
    kind: 'unary',
    call: (system) => restCall(system),
  },
  {
    ...common,
    id: 'rest/burst',
    title: 'Stream of 100 chunks in one burst',
    unit: 'chunk',
    kind: 'burst',
    call: streamCall,
  },
  {
    ...withPeer,
    id: 'rest/peer',
    title: 'Unary, request of 1 KB, at full load',
    unit: 'request',
    kind: 'unary',
    fullLoad: true,
    call: (system) => restCall(system),
  },
  {
    ...withPeer,
    id: 'rest/peer-burst',
    title: 'Stream of 100 chunks in one burst, at full load',
    unit: 'chunk',
    kind: 'burst',
    fullLoad: true,
    info: true,
    call: streamCall,
  },
  {
    ...withPeer,
    id: 'rest/paced',
    title: 'Paced streams: 48 at once, a chunk every 10 ms in each',
    unit: 'chunk',
    kind: 'paced',
    call: streamCall,
  },
  {
    ...common,
    id: 'rest/unary-8k',
    title: 'Unary, request of 8 KB',
    unit: 'request',
    kind: 'unary',
    info: true,
    call: (system) => restCall({ ...system, repeat: LARGE }),
  },
];

function streamCall(system: RunningSystem) {
  return restCall({ ...system, stream: true });
}
