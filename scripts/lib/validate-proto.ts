// The npm package @bufbuild/protovalidate carries validate.proto only as a descriptor; buf wants the file. This prints it:
// names, numbers, types, oneofs, extensions and ranges. The rules' own CEL expressions are left out, because the runtime
// takes its descriptor from the package.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

const file = file_buf_validate_validate.proto;
const maxFieldNumber = 536_870_912;

const labelName = (label: Label): string => Label[label].toLowerCase();

function typeName(field: FieldDescriptorProto): string {
  return field.typeName === '' ? Type[field.type].toLowerCase() : field.typeName;
}

/** Protobuf-es keeps unset optional members as inherited defaults; only own ones were in the descriptor. */
const isSet = (message: object | undefined, member: string): boolean =>
  message !== undefined && Object.hasOwn(message, member);

function optionsOf(field: FieldDescriptorProto): string {
  const options: string[] = [];
  if (isSet(field.options, 'deprecated')) options.push('deprecated = true');
  if (isSet(field.options, 'packed')) options.push(`packed = ${field.options?.packed}`);
  if (isSet(field, 'defaultValue')) options.push(`default = ${field.defaultValue}`);
  return options.length === 0 ? '' : ` [${options.join(', ')}]`;
}

function fieldLine(field: FieldDescriptorProto, owner: DescriptorProto | null, inOneof: boolean): string {
  const entry = owner?.nestedType.find(
    (nested) =>
      nested.options?.mapEntry && field.typeName === `.${file.package}.${owner.name}.${nested.name}`,
  );
  const type = entry
    ? `map<${entry.field.map(typeName).join(', ')}>`
    : `${inOneof ? '' : `${labelName(field.label)} `}${typeName(field)}`;
  return `${type} ${field.name} = ${field.number}${optionsOf(field)};`;
}

function enumLines(definition: EnumDescriptorProto): string[] {
  return [
    `enum ${definition.name} {`,
    ...(definition.options?.allowAlias ? ['  option allow_alias = true;'] : []),
    ...definition.value.map((value) => `  ${value.name} = ${value.number};`),
    '}',
  ];
}

const indent = (lines: string[]): string[] => lines.map((line) => `  ${line}`);

function messageLines(message: DescriptorProto): string[] {
  const inner: string[] = [];
  for (const nested of message.nestedType) if (!nested.options?.mapEntry) inner.push(...messageLines(nested));
  for (const definition of message.enumType) inner.push(...enumLines(definition));
  for (const field of message.field) {
    if (!isSet(field, 'oneofIndex')) inner.push(fieldLine(field, message, false));
  }
  message.oneofDecl.forEach((oneof, index) => {
    const members = message.field.filter((field) => isSet(field, 'oneofIndex') && field.oneofIndex === index);
    inner.push(`oneof ${oneof.name} {`, ...indent(members.map((f) => fieldLine(f, message, true))), '}');
  });
  for (const range of message.extensionRange) {
    inner.push(`extensions ${range.start} to ${range.end >= maxFieldNumber ? 'max' : range.end - 1};`);
  }
  for (const range of message.reservedRange) inner.push(`reserved ${range.start} to ${range.end - 1};`);
  for (const name of message.reservedName) inner.push(`reserved "${name}";`);
  return [`message ${message.name} {`, ...indent(inner), '}'];
}

/** Writes buf/validate/validate.proto to `target`. */
export function writeValidateProto(target: string): void {
  const lines = [
    `syntax = "${file.syntax || 'proto2'}";`,
    `package ${file.package};`,
    ...file.dependency.map((dependency) => `import "${dependency}";`),
    ...file.enumType.flatMap(enumLines),
    ...file.messageType.flatMap(messageLines),
    ...file.extension.flatMap((extension) => [
      `extend ${extension.extendee} {`,
      `  ${fieldLine(extension, null, false)}`,
      '}',
    ]),
  ];
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, `${lines.join('\n')}\n`);
}
