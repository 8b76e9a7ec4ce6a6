/** One line of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A family of a scrape. */
export interface ScrapedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: Sample[];
}

const sampleForm = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|[+-]?[\d.]+(?:e[+-]?\d+)?)$/;
const labelForm = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Reads Prometheus's text strictly: what is not of its form is an error. */
export function parseScrape(text: string): ScrapedFamily[] {
  const families: ScrapedFamily[] = [];
  const seen = new Set<string>();
  let help: [string, string] | null = null;
  for (const line of text.split('\n')) {
    if (line === '' || line === '# EOF') continue;
    const helped = /^# HELP (\S+) (.+)$/.exec(line);
    if (helped !== null) {
      help = [helped[1] as string, helped[2] as string];
      continue;
    }
    const typed = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (typed !== null) {
      const [, name, type] = typed as unknown as [string, string, string];
      if (help?.[0] !== name) throw new Error(`no HELP before ${line}`);
      if (families.some((family) => family.name === name)) throw new Error(`twice: ${name}`);
      families.push({ name, type, help: help[1], samples: [] });
      continue;
    }
    const found = sampleForm.exec(line);
    if (found === null) throw new Error(`not of the form: ${line}`);
    const [, name, labels = '', value] = found as unknown as [string, string, string | undefined, string];
    const family = families.at(-1);
    if (family === undefined || !belongs(name, family)) throw new Error(`stray: ${line}`);
    const sample = { name, labels: parseLabels(labels), value: Number(value.replace('Inf', 'Infinity')) };
    const key = keyOf(sample);
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    family.samples.push(sample);
  }
  return families;
}

const keyOf = ({ name, labels }: Sample): string => JSON.stringify([name, Object.entries(labels).sort()]);

function belongs(name: string, { name: family, type }: ScrapedFamily): boolean {
  if (name === family) return type !== 'histogram';
  if (type === 'counter') return name === `${family}_total`;
  const endings = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['_sum', '_count'];
  return (type === 'histogram' || type === 'summary') && endings.some((ending) => name === family + ending);
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelForm.lastIndex = 0;
  while (labelForm.lastIndex < text.length) {
    const found = labelForm.exec(text);
    if (found === null) throw new Error(`labels not of the form: ${text}`);
    const [, name, value] = found as unknown as [string, string, string];
    if (name in labels) throw new Error(`label ${name} twice: ${text}`);
    labels[name] = value;
  }
  return labels;
}

const abbreviations = ['s', 'ms', 'us', 'ns', 'sec', 'b', 'kb', 'mb', 'gb', 'm', 'h', 'd'];
const otherUnits = [
  'milliseconds',
  'microseconds',
  'nanoseconds',
  'minutes',
  'hours',
  'days',
  'kilobytes',
  'megabytes',
];

/** What `promtool check metrics` would object to. */
export function lint(families: readonly ScrapedFamily[]): string[] {
  return families.flatMap(({ name, type, help, samples }) => {
    const problems: string[] = [];
    const wrong = (what: string): void => void problems.push(`${name}: ${what}`);
    const words = name.split('_');
    if (help.trim() === '') wrong('no help');
    if (type === 'counter' && !name.endsWith('_total')) wrong('a counter ends in _total');
    if (type !== 'counter' && name.endsWith('_total')) wrong('only counters end in _total');
    if (/_(?:bucket|count|sum)$/.test(name)) wrong('an ending of histograms');
    if (words.includes(type)) wrong('its type is in its name');
    if (/[A-Z:]/.test(name)) wrong('snake_case without colons');
    for (const word of words) {
      if (abbreviations.includes(word)) wrong(`an abbreviated unit: ${word}`);
      if (otherUnits.includes(word)) wrong(`no base unit: ${word}`);
    }
    for (const { labels } of samples) {
      for (const label of Object.keys(labels)) {
        if (/[A-Z]/.test(label)) wrong(`label ${label}`);
        if (label === 'le' && type !== 'histogram') wrong('le is for histograms');
      }
    }
    if (type === 'histogram') problems.push(...lintBuckets(name, samples));
    return problems;
  });
}

function lintBuckets(name: string, samples: readonly Sample[]): string[] {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...rest } = sample.labels;
    const key = JSON.stringify(Object.entries(rest).sort());
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  return [...series].flatMap(([key, all]) => {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    const bounds = buckets.map(({ labels }) => Number((labels['le'] as string).replace('+Inf', 'Infinity')));
    const ascends = buckets.every((bucket, i) => i === 0 || bucket.value >= (buckets[i - 1] as Sample).value);
    const sorted = bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] as number));
    return ascends && sorted && bounds.at(-1) === Infinity && buckets.at(-1)?.value === count
      ? []
      : [`${name}: buckets of ${key}`];
  });
}
