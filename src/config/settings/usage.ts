import { atStart, hour, setting, time } from '../setting.ts';
import { flag, percentageList, wholeNumber } from '../values.ts';

/** What calls cost. */
export const usageSettings = {
  usageEnabled: atStart(
    setting(
      'usage.enabled',
      'USAGE',
      flag,
      true,
      'Whether cost and tokens of calls are told and added up; budgets need it',
    ),
  ),
  usageRetentionMs: atStart(
    time(
      'usage.retention',
      'USAGE_RETENTION',
      [24 * hour, 24_000 * hour],
      9_600 * hour,
      'How long the totals of a day are kept',
    ),
  ),
  budgetOutputTokens: setting(
    'usage.budget_output_tokens',
    'BUDGET_OUTPUT_TOKENS',
    wholeNumber(1, 1_000_000),
    2_048,
    'Tokens of output for which a budget sets money aside where the call does not bound them',
  ),
  budgetAlertAt: setting(
    'usage.budget_alert_at',
    'BUDGET_ALERT_AT',
    percentageList,
    [80, 95, 100],
    'Percentages of a budget at which the log tells of it',
    '80,95,100',
  ),
} as const;
