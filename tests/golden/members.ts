/** The members of a JSON object by name, each as the very text that it has there. */
export function rawMembers(json: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = skipSpace(json, 0) + 1;
  for (;;) {
    at = skipSpace(json, at);
    if (json[at] === '}' || at >= json.length) return members;
    const nameEnd = skipValue(json, at);
    const name = JSON.parse(json.slice(at, nameEnd)) as string;
    const begin = skipSpace(json, skipSpace(json, nameEnd) + 1);
    const end = skipValue(json, begin);
    members.set(name, json.slice(begin, end));
    at = skipSpace(json, end);
    if (json[at] === ',') at++;
  }
}

function skipSpace(json: string, from: number): number {
  let at = from;
  while (/\s/.test(json[at] ?? '')) at++;
  return at;
}

function skipString(json: string, from: number): number {
  let at = from + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipValue(json: string, from: number): number {
  if (json[from] === '"') return skipString(json, from);
  let depth = 0;
  let at = from;
  while (at < json.length) {
    const character = json[at] as string;
    if (depth === 0 && /[,}\]\s]/.test(character)) return at;
    if (character === '"') {
      at = skipString(json, at);
      continue;
    }
    if (character === '{' || character === '[') depth++;
    if (character === '}' || character === ']') depth--;
    at++;
    if (depth === 0 && (character === '}' || character === ']')) return at;
  }
  return at;
}
