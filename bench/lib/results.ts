// What the suites hand to the report.

export interface CaseRow {
  system: string;
  /** CPU time per unit in microseconds, one value a round; NaN for a round that failed. */
  values: number[];
  /** Units per second at full load; of paced streams, at their pace. */
  rates: number[];
}

export interface CaseResult {
  id: string;
  title: string;
  /** What is counted: a request, a chunk, a message. */
  unit: string;
  rows: CaseRow[];
  /** The system that the others are compared with. */
  reference: string;
}

export interface LatencyResult {
  id: string;
  title: string;
  rows: { system: string; samples: number[] }[];
}

export interface MemoryRow {
  system: string;
  /** Streams that were opened on top of the first ones. */
  streams: number;
  /** Bytes for each of them. */
  rss: number;
  used: number;
}

export interface MemoryResult {
  rows: MemoryRow[];
}

export interface Results {
  cases: CaseResult[];
  latency: LatencyResult[];
  memory: MemoryResult | undefined;
  /** What went otherwise than planned. */
  notes: string[];
}
