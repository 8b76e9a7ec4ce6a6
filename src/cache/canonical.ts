import { createHash } from 'node:crypto';
import { type DescField, type DescMessage, type DescOneof, ScalarType } from '@bufbuild/protobuf';

// A message as a text that is the same for equal messages and another one for different ones. It is made by the message's descriptor, so that
// a field that is added to the contract gets into it by itself. Every value says where it ends, so that no two can be mistaken for others.

type Value = Readonly<Record<string, unknown>>;
type Writer = (value: Value) => string;
type ValueWriter = (value: never) => string;

/** Fields that are written in another way, or not at all, by their full name. */
export type OwnWriters = ReadonlyMap<string, (value: never) => string>;

const text = (value: string): string => `"${value.length}:${value}`;
const plain = (value: unknown): string => `=${String(value)};`;
const bytes = (value: Uint8Array): string => `#${createHash('sha256').update(value).digest('hex')}`;

/** Makes what writes messages of one kind. @param own every message type shares these */
export function canonicalWriter(desc: DescMessage, own: OwnWriters): Writer {
  return writerOf(desc, own, new Map());
}

function writerOf(desc: DescMessage, own: OwnWriters, made: Map<string, Writer>): Writer {
  const known = made.get(desc.typeName);
  if (known !== undefined) return known;
  const steps: Writer[] = [];
  const writer: Writer = (value) => {
    let all = '';
    for (let i = 0; i < steps.length; i++) all += (steps[i] as Writer)(value);
    return all;
  };
  // Messages may hold their like.
  made.set(desc.typeName, writer);
  for (const member of desc.members) {
    steps.push(member.kind === 'oneof' ? oneofStep(member, own, made) : fieldStep(member, own, made));
  }
  return writer;
}

function oneofStep(oneof: DescOneof, own: OwnWriters, made: Map<string, Writer>): Writer {
  const name = oneof.localName;
  const cases = new Map(
    oneof.fields.map((field) => [field.localName, [field, valueWriter(field, own, made)] as const]),
  );
  return (message) => {
    const { case: which, value } = message[name] as { case?: string; value?: never };
    const known = which === undefined ? undefined : cases.get(which);
    if (known === undefined) return '';
    const [field, write] = known;
    return field.number + write(value as never);
  };
}

function fieldStep(field: DescField, own: OwnWriters, made: Map<string, Writer>): Writer {
  const { localName: name, number } = field;
  const write = own.get(`${field.parent.name}.${field.name}`) ?? valueWriter(field, own, made);
  switch (field.fieldKind) {
    case 'list':
      return (message) => {
        const list = message[name] as readonly never[];
        if (list.length === 0) return '';
        let all = `${number}[${list.length}:`;
        for (let i = 0; i < list.length; i++) all += write(list[i] as never);
        return all;
      };
    case 'map':
      return (message) => {
        const map = message[name] as Readonly<Record<string, never>>;
        const keys = Object.keys(map).sort();
        if (keys.length === 0) return '';
        let all = `${number}<${keys.length}:`;
        for (const key of keys) all += text(key) + write(map[key] as never);
        return all;
      };
    default:
      return (message) => {
        const value = message[name];
        // The default of a field without presence says nothing.
        if (value === undefined || value === null) return '';
        if ((value === '' || value === false || value === 0) && field.presence !== explicit) return '';
        const written = write(value as never);
        return written === '' ? '' : number + written;
      };
  }
}

/** FeatureSet.FieldPresence.EXPLICIT */
const explicit = 1;

function valueWriter(field: DescField, own: OwnWriters, made: Map<string, Writer>): ValueWriter {
  const given = own.get(`${field.parent.name}.${field.name}`);
  if (given !== undefined) return given;
  if (field.message !== undefined) {
    const write = writerOf(field.message, own, made);
    return ((value: Value) => `{${write(value)}}`) as ValueWriter;
  }
  if (field.scalar === ScalarType.STRING) return text as ValueWriter;
  return (field.scalar === ScalarType.BYTES ? bytes : plain) as ValueWriter;
}

/** A text in a row of texts. */
export const lengthAnd = text;
