/** Name of this dialect in `extras`: bodies of InvokeModel, which are each model's own. */
export const dialectName = 'aws.invoke';
