import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';

type Arguments = Readonly<Record<string, unknown>>;

/** The arguments for which a session's context has defaults, by tool: as the tools' schemas have them. */
const defaulted: ReadonlyMap<string, { readonly taxonomy: string; readonly tiers?: string }> = new Map([
  ['hybrid_search', { taxonomy: 'taxonomy', tiers: 'tier_filter' }],
  ['semantic_search', { taxonomy: 'taxonomy', tiers: 'tier_filter' }],
  ['search_corpus', { taxonomy: 'taxonomy' }],
  ['similar_chapters', { taxonomy: 'taxonomy', tiers: 'tier_filter' }],
  ['cross_reference', { taxonomy: 'taxonomy_id' }],
]);

/**
 * The arguments of a tool, with the session's taxonomy and tier filter where the call does not set them and the tool takes them.
 * @param context of the session: `taxonomy` (text) and `tier_filter` (integers) are read
 * @returns `args` itself when nothing is added
 */
export function withDefaults<A extends Arguments>(toolName: string, args: A, context: Arguments): A {
  const names = defaulted.get(toolName);
  if (names === undefined) return args;
  const added: Record<string, unknown> = {};
  const { taxonomy, tier_filter: tiers } = context;
  if (typeof taxonomy === 'string' && taxonomy !== '' && !Object.hasOwn(args, names.taxonomy)) {
    added[names.taxonomy] = taxonomy;
  }
  const takesTiers = names.tiers !== undefined && !Object.hasOwn(args, names.tiers);
  if (takesTiers && Array.isArray(tiers) && tiers.length > 0) added[names.tiers] = tiers;
  return Object.keys(added).length === 0 ? args : { ...args, ...added };
}

/** Longest name of a taxonomy that is read from a prompt, in characters. */
const maxName = 64;
/** How much of the text after "use the" is looked at: a name, its quotes, spaces, and the word "taxonomy". */
const lookAhead = maxName + 24;
/** How much of the clause before "use" is looked at. */
const lookBehind = 64;

const useThe = /(?<![\p{L}\p{N}_-])(?:use|using)\s{1,4}the\s{1,4}/giu;
const quoted =
  /^(?:"([^"\p{Cc}]{1,64})"|“([^”\p{Cc}]{1,64})”|'([^'\p{Cc}]{1,64})'|‘([^’\p{Cc}]{1,64})’|`([^`\p{Cc}]{1,64})`|«([^»\p{Cc}]{1,64})»)\s{1,4}taxonomy(?![\p{L}\p{N}_-])/iu;
const endOfName = /\s{1,4}taxonomy(?![\p{L}\p{N}_-])/iu;
/** Words, or an identifier. */
const word = "[\\p{L}\\p{N}](?:[\\p{L}\\p{M}\\p{N}_.:/&+#'’-]*[\\p{L}\\p{M}\\p{N}+#])?";
const plainName = new RegExp(`^${word}(?: (?:&|${word}))*$`, 'u');
/** With one of these among them, several words are a sentence and no name. */
const sentenceWord =
  /(?:^| )(?:an?|the|to|that|this|these|those|from|with|for|your|my|our|its|their|is|are|as|if|not|use|using|which|when)(?: |$)/i;
/** These say which taxonomy is meant, and are no name of one. */
const pointingWord =
  /^(?:same|following|above|below|given|provided|attached|right|correct|wrong|best|current|existing|previous|last|next|first|second|other|another|new|old|appropriate|proper|relevant|suitable|usual|default|standard|whole|entire|full|complete|said|aforementioned|above-mentioned|mentioned)$/i;

const clauseEnd = /[.,;:!?\n()]/;
const doubleNegation = /\b(?:do not|don['’]?t|never|not)\s{1,4}(?:forget|fail|hesitate)\s{1,4}(?:to\b|$)/giu;
const negation =
  /(?<![\p{L}\p{N}])(?:not|never|no|nor|dont|without|stop|avoid|cannot|refrain from|instead of|rather than)(?![\p{L}\p{N}])|n['’]t(?![\p{L}\p{N}])/iu;

/**
 * The taxonomy that the user asks for ("use the X taxonomy", X quoted or a few words), as it is written there; null when none is named.
 * Of several the last one counts. Takes time in proportion to the text.
 */
export function namedTaxonomy(messages: readonly Message[]): string | null {
  for (let i = messages.length - 1; i >= 0; i--) {
    const { role, parts } = messages[i] as Message;
    if (role !== Role.USER) continue;
    let named: string | null = null;
    for (const { content } of parts) if (content.case === 'text') named = lastIn(content.value.text) ?? named;
    if (named !== null) return named;
  }
  return null;
}

function lastIn(text: string): string | null {
  let named: string | null = null;
  for (const { 0: found, index } of text.matchAll(useThe)) {
    const start = index + found.length;
    const name = nameAt(text.slice(start, start + lookAhead));
    if (name !== null && !isNegated(text.slice(Math.max(0, index - lookBehind), index))) named = name;
  }
  return named;
}

/** The name at the beginning of what follows "use the". */
function nameAt(text: string): string | null {
  const inQuotes = quoted
    .exec(text)
    ?.slice(1)
    .find((name) => name !== undefined)
    ?.trim();
  if (inQuotes !== undefined) return inQuotes === '' ? null : inQuotes;
  const end = endOfName.exec(text)?.index ?? 0;
  const name = text.slice(0, end).replaceAll(/\s+/g, ' ');
  if (name.length > maxName || !plainName.test(name)) return null;
  return (name.includes(' ') ? sentenceWord : pointingWord).test(name) ? null : name;
}

/** @param before what stands before "use" */
function isNegated(before: string): boolean {
  const clause = before.slice(before.split('').findLastIndex((letter) => clauseEnd.test(letter)) + 1);
  return negation.test(clause.replaceAll(doubleNegation, ''));
}
