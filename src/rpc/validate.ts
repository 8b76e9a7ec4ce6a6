import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { invalidRequest } from '../errors/gateway-error.ts';

const validator = createValidator();

/** Checks a message against the rules of its proto file. @throws GatewayError that names the first wrong field */
export function validateMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void {
  const result = validator.validate(schema, message);
  if (result.kind === 'valid') return;
  if (result.kind === 'error') throw result.error;
  const [violation] = result.violations;
  const field = violation === undefined ? '' : violation.field.map(pathElement).join('').replace(/^\./, '');
  throw invalidRequest(
    field,
    `${field === '' ? 'the request' : field}: ${violation?.message ?? 'is invalid'}`,
  );
}

type Violation = Extract<ReturnType<typeof validator.validate>, { kind: 'invalid' }>['violations'][number];

function pathElement(element: Violation['field'][number]): string {
  switch (element.kind) {
    case 'field':
      return `.${element.name}`;
    case 'oneof':
      return `.${element.name}`;
    case 'list_sub':
      return `[${element.index}]`;
    case 'map_sub':
      return `[${JSON.stringify(String(element.key))}]`;
    default:
      return '';
  }
}
