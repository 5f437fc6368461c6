import { applyDecorators, SetMetadata } from '@nestjs/common';
import { errorAnswers, type Operation, type OperationName, OPERATIONS } from './operations.js';

/**
 * Describes the sync routes to `@nestjs/swagger`, in the metadata that its own decorators write: hosts without it need
 * not install it. What it makes of them is tested with each of its versions (test/http/swagger.test.ts).
 */
export function described(name: OperationName): MethodDecorator {
  const operation: Operation = OPERATIONS[name];
  const { method, summary, request } = operation;
  return applyDecorators(
    // As every method is routed, there would be an operation for each: `method` makes them one.
    SetMetadata(API_OPERATION, {
      method: method.toLowerCase(),
      operationId: `sync${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      summary,
    }),
    SetMetadata(API_RESPONSE, answersOf(operation)),
    ...(request === null
      ? []
      : [
          SetMetadata(API_PARAMETERS, [
            { in: 'body', name: '', required: true, type: String, schema: request },
          ]),
        ]),
  );
}

/** Of an endpoint that OpenAPI can't describe. */
export const Undescribed: MethodDecorator = SetMetadata('swagger/apiExcludeEndpoint', { disable: true });

/** The heading of the routes where the host has given them none: Swagger would take the name of the class. */
export const DefaultTag: ClassDecorator = (controller) => {
  if (!Reflect.hasMetadata(API_TAGS, controller)) Reflect.defineMetadata(API_TAGS, ['sync'], controller);
};

const API_OPERATION = 'swagger/apiOperation';
const API_RESPONSE = 'swagger/apiResponse';
const API_PARAMETERS = 'swagger/apiParameters';
const API_TAGS = 'swagger/apiUseTags';

function answersOf(operation: Operation): Readonly<Record<number, object>> {
  const answers = [[200, 'Done', operation.answer] as const, ...errorAnswers(operation)];
  return Object.fromEntries(
    answers.map(([status, description, schema]) => [status, { description, schema }]),
  );
}
