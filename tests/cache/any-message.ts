import { create, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import fc from 'fast-check';

type Value = Record<string, unknown>;

const scalars: Partial<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  [ScalarType.STRING]: fc.oneof(fc.string({ maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 3 })),
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 4 }),
  [ScalarType.DOUBLE]: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
};

const single = (field: DescField, depth: number): fc.Arbitrary<unknown> => {
  if (field.message !== undefined) return anyMessage(field.message, depth - 1);
  if (field.scalar !== undefined) return scalars[field.scalar] ?? fc.nat(99);
  return fc.nat(3);
};

const isTooDeep = (field: DescField, depth: number): boolean => field.message !== undefined && depth <= 0;

/** Any message of a kind, whether it keeps the rules or not. @param depth how deep messages are in it */
export function anyMessage(desc: DescMessage, depth: number): fc.Arbitrary<Value> {
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const member of desc.members) {
    if (member.kind === 'oneof') {
      const cases = member.fields
        .filter((field) => !isTooDeep(field, depth))
        .map((field) => single(field, depth).map((value) => ({ case: field.localName, value })));
      if (cases.length > 0) members[member.localName] = fc.oneof(...cases);
    } else if (isTooDeep(member, depth)) {
      // Left as it is by default.
    } else if (member.fieldKind === 'list') {
      members[member.localName] = fc.array(single(member, depth), { maxLength: 2 });
    } else if (member.fieldKind === 'map') {
      members[member.localName] = fc.dictionary(
        fc.string({ maxLength: 3 }),
        member.mapKind === 'scalar' ? (scalars[member.scalar] ?? fc.nat()) : fc.nat(),
        { maxKeys: 2, noNullPrototype: true },
      );
    } else members[member.localName] = fc.option(single(member, depth), { nil: undefined });
  }
  return fc.record(members).map((init) => {
    for (const [key, value] of Object.entries(init)) if (value === undefined) delete init[key];
    return create(desc, init as never) as unknown as Value;
  });
}

/** One way to change a message in a single place. */
export interface Change {
  /** "Message.field" */
  readonly at: string;
  make(): void;
}

/** Every way to change one leaf of a message, or to make a list or a map longer. */
export function changesOf(desc: DescMessage, message: Value): Change[] {
  const changes: Change[] = [];
  const visit = (field: DescField, value: unknown, set: (other: unknown) => void): void => {
    const at = `${field.parent.name}.${field.name}`;
    if (field.message !== undefined) {
      if (value !== undefined) changes.push(...changesOf(field.message, value as Value));
      return;
    }
    changes.push({ at, make: () => set(another(value, field)) });
  };
  for (const member of desc.members) {
    const name = member.localName;
    if (member.kind === 'oneof') {
      const chosen = message[name] as { case?: string; value?: unknown };
      const field = member.fields.find(({ localName }) => localName === chosen.case);
      if (field !== undefined)
        visit(field, chosen.value, (other) => (message[name] = { ...chosen, value: other }));
      continue;
    }
    const at = `${desc.name}.${member.name}`;
    if (member.fieldKind === 'list') {
      const list = message[name] as unknown[];
      list.forEach((item, i) => {
        visit(member, item, (other) => (list[i] = other));
        changes.push({ at, make: () => void list.splice(i, 0, list[i]) });
      });
      if (member.message === undefined)
        changes.push({ at, make: () => void list.push(another(undefined, member)) });
    } else if (member.fieldKind === 'map') {
      const map = message[name] as Value;
      for (const key of Object.keys(map)) {
        changes.push({ at, make: () => (map[key] = another(map[key], member)) });
        changes.push({ at, make: () => delete map[key] });
      }
      changes.push({ at, make: () => (map['another key'] = another(undefined, member)) });
    } else visit(member, message[name], (other) => (message[name] = other));
  }
  return changes;
}

function another(value: unknown, field: DescField): unknown {
  if (field.scalar === ScalarType.STRING) return `${(value as string | undefined) ?? ''}x`;
  if (field.scalar === ScalarType.BOOL) return value === undefined ? true : !value;
  if (field.scalar === ScalarType.BYTES)
    return Uint8Array.of(...((value as Uint8Array | undefined) ?? []), 1);
  const number = (value as number | undefined) ?? 0;
  return number === 7 ? 8 : 7;
}
