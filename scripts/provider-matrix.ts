// Prints the tables of docs/providers.md: of the built-in providers, and of what each of them was seen to take and to give in
// tests/golden; with --check compares them.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { builtinProviders, type ProviderForm } from '../src/config/builtin-providers.ts';
import { createUpstreamClient } from '../src/http/client.ts';
import { createProviders } from '../src/providers/registry.ts';
import { load } from '../tests/config/support/load.ts';
import { conversations } from '../tests/golden/conversations.ts';
import { configuration } from '../tests/golden/harness.ts';
import { type GoldenProvider, providers } from '../tests/golden/providers.ts';
import { root } from './lib/run.ts';

/** What a cell says. */
type Word = 'sent' | 'partly' | 'dropped' | '400' | '–';

/** One line of the table: a conversation, and the text in it that the line is about; all of its texts, where none is named. */
interface Line {
  readonly title: string;
  readonly conversation: string;
  readonly subject?: string;
}

const line = (title: string, conversation: string, subject?: string): Line => ({
  title,
  conversation,
  ...(subject === undefined ? {} : { subject }),
});

const lines: readonly Line[] = [
  line('text', 'plain'),
  line('system messages, several turns', 'system-and-turns'),
  line('system messages later on', 'system-in-the-middle'),
  line('developer messages', 'developer-role'),
  line('names of participants', 'participant-names', 'Wannes'),
  line('images, data: URL', 'image-data-url'),
  line('images, https: URL', 'image-https-url'),
  line('`detail` of images', 'image-detail', '"high"'),
  line('files: PDF', 'document-pdf'),
  line('files: plain text', 'document-text'),
  line("Anthropic's documents of content", 'document-of-content'),
  line('audio in', 'audio-wav'),
  line('tools', 'tools'),
  line('`strict` tools', 'tool-strict', '"strict":true'),
  line('tools with free text as input', 'tool-custom'),
  line("tools that Anthropic's servers run", 'tool-of-another-provider', 'web_search'),
  line('`functions`, the older form of tools', 'functions-legacy'),
  line('tool calls and results', 'tool-result'),
  line('parallel tool calls', 'tool-results-parallel'),
  line('failed tools', 'tool-result-error'),
  line('images in tool results', 'tool-result-image'),
  line("Anthropic's search results in them", 'tool-result-search-result'),
  line('`tool_choice: required`', 'tool-choice-required'),
  line('`tool_choice`: one tool', 'tool-choice-named'),
  line('`tool_choice: none`', 'tool-choice-none'),
  line('`parallel_tool_calls: false`', 'tool-calls-one-at-a-time', 'arallel'),
  line('structured output', 'json-schema'),
  line('`json_object`', 'json-object'),
  line('reasoning effort', 'reasoning-effort'),
  line('reasoning off', 'reasoning-none'),
  line('reasoning budget', 'reasoning-budget'),
  line("Claude's reasoning back", 'reasoning-history-claude', 'Y2xhdWRlLXN0YXRl'),
  line("Gemini's reasoning back", 'reasoning-history-gemini', 'Z2VtaW5pLXN0YXRl'),
  line('text of reasoning back', 'reasoning-history-plain', 'Look at the sky.'),
  line('refusals back', 'refusal-history'),
  line('prompt cache markers', 'cache-breakpoints', 'ache'),
  line('`prompt_cache_key`', 'prompt-cache-key'),
  line('`stop`', 'stop'),
  line('`max_tokens`', 'max-tokens'),
  line('`temperature` and `top_p`', 'sampling'),
  line('`top_k`', 'top-k'),
  line('penalties', 'penalties'),
  line('`logit_bias`', 'logit-bias'),
  line('`seed`', 'seed'),
  line('`logprobs`', 'logprobs'),
  line('`n`', 'several-answers'),
  line('`user`', 'user'),
  line('`service_tier`', 'service-tier'),
  line('`metadata`', 'metadata'),
  line('`verbosity`', 'verbosity'),
];

interface RequestFile {
  readonly refused?: object;
  readonly body?: unknown;
  readonly dropped?: readonly string[];
  readonly warnings?: readonly object[];
}

interface AnswerFile {
  readonly text: string;
  readonly reasoning: string;
  readonly state: string;
  readonly calls: readonly object[];
  readonly usage: { readonly cached: number | null; readonly reasoning: number | null };
  readonly logprobs: number;
}

const golden = <T>(...names: string[]): T =>
  JSON.parse(readFileSync(path.join(root, 'tests/golden', ...names), 'utf8')) as T;

/** What became of a line's conversation on its way to a provider. */
function sent({ conversation, subject }: Line, provider: GoldenProvider): Word {
  const file = golden<RequestFile>('requests', conversation, `${provider.name}.json`);
  if (file.refused !== undefined) return '400';
  const about = subject === undefined ? (conversations[conversation]?.about ?? []) : [subject];
  const body = JSON.stringify(file.body);
  const found = about.filter((piece) =>
    body.includes(piece.includes('"') ? piece : JSON.stringify(piece).slice(1, -1)),
  );
  if (found.length === 0 || (file.dropped ?? []).length > 0) return 'dropped';
  return found.length === about.length && (file.warnings ?? []).length === 0 ? 'sent' : 'partly';
}

const answered: readonly (readonly [title: string, has: (answer: AnswerFile) => boolean])[] = [
  ['answers, whole and streamed', ({ text }) => text !== ''],
  ['tool calls', ({ calls }) => calls.length > 0],
  ['reasoning', ({ reasoning }) => reasoning !== ''],
  ['state of reasoning, for the next turn', ({ state }) => state !== ''],
  ['log probabilities', ({ logprobs }) => logprobs > 0],
  ['cached tokens in `usage`', ({ usage }) => usage.cached !== null],
  ['reasoning tokens in `usage`', ({ usage }) => usage.reasoning !== null],
];

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** What providers take and give, as Markdown. */
export async function matrix(): Promise<string> {
  const head = [row(['', ...providers.map(({ name }) => name)]), `|---|${'---|'.repeat(providers.length)}`];
  const requests = lines.map((one) => row([one.title, ...providers.map((provider) => sent(one, provider))]));
  const answers = answered.map(([title, has]) =>
    row([
      title,
      ...providers.map(({ name }) => (has(golden<AnswerFile>('answers', `${name}.json`)) ? 'yes' : '–')),
    ]),
  );
  return [
    'Requests:',
    '',
    ...head,
    ...requests,
    '',
    'Answers:',
    '',
    ...head,
    ...answers,
    '',
    'Besides chat:',
    '',
    ...head,
    ...(await abilities()).map(row),
  ].join('\n');
}

/** What providers have besides chat: whether the one that the gateway makes has it. */
async function abilities(): Promise<string[][]> {
  const client = createUpstreamClient();
  const made = (yaml: string) => createProviders(load(yaml).providers, client);
  const origin = 'http://127.0.0.1:1';
  const usual = made(configuration(origin));
  const asked = made(configuration(origin).replaceAll(' }\n', ', discovery: true }\n'));
  await client.destroy();
  const names = providers.map(({ provider }) => provider);
  const defaults = (name: string): boolean => usual.get(name)?.listModels !== undefined;
  return [
    ['embeddings', ...names.map((name) => (usual.get(name)?.createEmbeddings === undefined ? '–' : 'yes'))],
    ['counts of tokens', ...names.map((name) => (usual.get(name)?.countTokens === undefined ? '–' : 'yes'))],
    [
      'list of models',
      ...names.map((name) =>
        asked.get(name)?.listModels === undefined ? '–' : defaults(name) ? 'yes' : 'if set',
      ),
    ],
  ];
}

const formNames: Readonly<Record<ProviderForm, string>> = {
  openai: "OpenAI's chat completions",
  anthropic: "Anthropic's messages",
  google: "Gemini's generateContent",
  ollama: "Ollama's /api/chat",
  bedrock: 'Converse, Claude if wanted by InvokeModel',
  fake: 'in the process',
  mock: 'in the process',
  cli: 'lines of a program',
};

const code = (texts: readonly string[]): string => texts.map((text) => `\`${text}\``).join(' ');

/** The built-in providers, as Markdown. */
export function providerTable(): string {
  return [
    row(['provider', 'prefixes', 'spoken to in', 'address', 'key', 'security level']),
    '|---|---|---|---|---|---|',
    ...Object.entries(builtinProviders).map(([name, { form, baseUrl, apiPath, keys, keyOptional, ...own }]) =>
      row([
        `\`${name}\``,
        code(own.prefixes),
        formNames[form],
        baseUrl === '' ? '' : `\`${baseUrl}${apiPath}\``,
        keys.length === 0 ? 'none' : `${code(keys)}${keyOptional ? ', if it wants one' : ''}`,
        own.securityLevel,
      ]),
    ),
  ].join('\n');
}

/** The models that were asked. */
const models = (): string => providers.map(({ name, model }) => `${name} \`${model}\``).join(', ');

const tables: readonly (readonly [name: string, made: () => string | Promise<string>])[] = [
  ['providers', providerTable],
  ['models', models],
  ['matrix', matrix],
];

/** docs/providers.md with its tables made anew. */
export async function withTables(page: string): Promise<string> {
  let made = page;
  for (const [name, table] of tables) {
    const begin = `<!-- ${name}: made by scripts/provider-matrix.ts -->`;
    const end = `<!-- end of ${name} -->`;
    const from = made.indexOf(begin);
    const to = made.indexOf(end);
    if (from < 0 || to < from)
      throw new Error(`docs/providers.md has no place for a table: ${begin} … ${end}`);
    made = `${made.slice(0, from)}${begin}\n\n${await table()}\n\n${made.slice(to)}`;
  }
  return made;
}

if (import.meta.main) {
  const file = path.join(root, 'docs/providers.md');
  const page = readFileSync(file, 'utf8');
  const made = await withTables(page);
  if (!process.argv.includes('--check')) writeFileSync(file, made);
  else if (made !== page) {
    console.error('docs/providers.md: its tables are out of date; run `npx node scripts/provider-matrix.ts`');
    process.exitCode = 1;
  }
}
