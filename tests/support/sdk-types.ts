import { readFileSync } from 'node:fs';
import path from 'node:path';

// What the `openai` package declares of the API, read from its declarations. These are generated, one member a line, so that lines are all
// that has to be understood.

interface Interface {
  readonly bases: readonly string[];
  /** Types by names of members. */
  readonly members: Map<string, string>;
}

const root = path.resolve(import.meta.dirname, '../../node_modules/openai/resources');
const interfaces = new Map<string, Interface>();
const aliases = new Map<string, string>();

read('responses/responses.d.ts', '');
read('shared.d.ts', 'Shared.');

function read(file: string, prefix: string): void {
  const text = readFileSync(path.join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  /** Namespaces that are open, and the depth of braces at which each ends. */
  const spaces: { readonly name: string; readonly depth: number }[] = [];
  let current: { readonly into: Interface; readonly depth: number } | null = null;
  let depth = 0;
  for (const line of text.split('\n')) {
    const place = prefix + spaces.map(({ name }) => `${name}.`).join('');
    const [, space] = /^\s*(?:export )?(?:declare )?namespace (\w+) \{/.exec(line) ?? [];
    const [, name, bases = ''] =
      /^\s*(?:export )?interface (\w+)(?:<.*?>)?(?: extends (.*?))? \{/.exec(line) ?? [];
    const [, alias, type = ''] = /^\s*(?:export )?type (\w+) = (.*);$/.exec(line) ?? [];
    const [, member, what = ''] = /^\s*'?(\w+)'?\??: (.*)$/.exec(line) ?? [];
    if (space !== undefined) spaces.push({ name: space, depth });
    else if (name !== undefined && current === null) {
      const into = { bases: bases === '' ? [] : bases.split(', '), members: new Map<string, string>() };
      // A later one of the same name, in the file's last lines, adds what only its parsers make.
      if (!interfaces.has(place + name)) interfaces.set(place + name, into);
      current = { into, depth };
    } else if (alias !== undefined) aliases.set(place + alias, type);
    else if (member !== undefined && current !== null && depth === current.depth + 1) {
      current.into.members.set(member, what.replace(/;$/, ''));
    }
    depth += line.split('{').length - line.split('}').length;
    if (current !== null && depth === current.depth) current = null;
    if (spaces.length > 0 && depth === spaces.at(-1)?.depth) spaces.pop();
  }
}

const plain = (name: string): string => name.replace(/^ResponsesAPI\./, '');

function interfaceOf(name: string): Interface {
  const found = interfaces.get(plain(name));
  if (found === undefined) throw new Error(`the package declares no interface ${name}`);
  return found;
}

/** Names of an interface's members, inherited ones included. */
export function membersOf(name: string): string[] {
  const { bases, members } = interfaceOf(name);
  return [...new Set([...bases.flatMap(membersOf), ...members.keys()])].sort();
}

/** The type of a member, or the one that a name stands for, as it is written. */
export const typeOf = (name: string, member?: string): string =>
  (member === undefined ? aliases.get(plain(name)) : interfaceOf(name).members.get(member)) ?? '';

/** The texts in a type. */
export const literalsIn = (type: string): string[] =>
  [...type.matchAll(/'([^']*)'/g)].map(([, text]) => String(text));

/** The interfaces that a type is made of. */
function partsOf(type: string): string[] {
  return type.split(' | ').flatMap((part) => {
    const name = plain(part.trim());
    const alias = aliases.get(name);
    if (alias !== undefined) return partsOf(alias);
    return interfaces.has(name) ? [name] : [];
  });
}

/** The `type`s of what a type is made of, and the texts that it may be. */
export function kindsOf(type: string): string[] {
  const texts = type.split(' | ').flatMap((part) => {
    const alias = aliases.get(plain(part.trim())) ?? '';
    return /^(?:'[^']*'(?: \| |$))+$/.test(alias) ? literalsIn(alias) : [];
  });
  const kinds = partsOf(type).flatMap((name) => {
    for (let next: string | undefined = name; next !== undefined; next = interfaceOf(next).bases[0]) {
      const own = interfaceOf(next).members.get('type');
      if (own !== undefined) return literalsIn(own);
    }
    return [];
  });
  return [...new Set([...texts, ...kinds])].sort();
}
